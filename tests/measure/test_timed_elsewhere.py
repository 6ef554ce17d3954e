"""Files timed by another Python, and on another machine over a real SSH server."""

import ast
import sys
from pathlib import Path

import pytest

from automl.errors import UserError
from automl.export import onnx
from automl.measure import file_times
from automl.measure.file_times import Wanted
from automl.measure.standalone_script import standalone_script
from automl.measure.timed_elsewhere import HEADER, Place, place, timed_elsewhere
from automl.models.mlp import MLP
from automl.runtimes.onnx import OnnxRuntime, onnxruntime_version


@pytest.fixture
def path(build, context, tmp_path):
    found = tmp_path / "model.onnx"
    found.write_bytes(onnx.export(build(MLP((16,))), context.data))
    return found


def test_the_script_needs_numpy_and_onnxruntime_alone():
    """The latter once it loads a file."""
    tree = ast.parse(standalone_script(HEADER, {file_times.__name__: "main"}, "main()"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {(getattr(node, "module", None) or node.names[0].name).split(".")[0] for node in top}
    assert modules - set(sys.stdlib_module_names) == {"numpy"}
    loading = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "onnxruntime" in loading


def test_another_python_times_the_files(path):
    runtime = OnnxRuntime(threads=2, batch=3)
    timed = timed_elsewhere(Place(sys.executable), Wanted((path,), runtime))
    [one] = timed.files
    assert one.size_bytes == path.stat().st_size and one.latency_ms > 0
    assert timed.runtime == runtime and timed.notes == []


def test_another_machine_times_the_files_and_keeps_nothing(path, device_host):
    left = set(Path("/tmp").glob("tmp.*"))
    timed = timed_elsewhere(Place(sys.executable, device_host), Wanted((path, path)))
    assert [one.file for one in timed.files] == ["0-model.onnx", "1-model.onnx"]
    assert timed.machine["onnxruntime"] == onnxruntime_version()
    assert set(Path("/tmp").glob("tmp.*")) <= left


def test_another_machine_that_lacks_python_or_a_provider_says_so(path, device_host):
    with pytest.raises(UserError, match=r"device: .*no-python.* not found"):
        timed_elsewhere(Place("no-python", device_host), Wanted((path,)))
    with pytest.raises(UserError, match=r"device: onnxruntime .* here has no provider CoreML"):
        timed_elsewhere(Place(sys.executable, device_host), Wanted((path,), OnnxRuntime("CoreML")))


def test_a_machine_that_cannot_be_reached_is_told(path):
    with pytest.raises(UserError, match=r"nobody@no\.such\.host\.invalid: ssh: "):
        timed_elsewhere(Place(host="nobody@no.such.host.invalid"), Wanted((path,)))


def test_a_python_that_lacks_onnxruntime_is_told(path, tmp_path):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(UserError, match=r"No module named .* install numpy and onnxruntime for"):
        timed_elsewhere(Place(str(bare)), Wanted((path,)))
    with pytest.raises(UserError, match="cannot run /no/python: No such file"):
        timed_elsewhere(Place("/no/python"), Wanted((path,)))


@pytest.mark.parametrize("over", ["pi@host", "ssh:", "ssh:-oProxyCommand=x"])
def test_a_place_is_spelled_as_told(over):
    with pytest.raises(UserError, match="write ssh:USER@HOST"):
        place(over, None)


def test_files_are_looked_for_before_anything_is_sent(tmp_path):
    with pytest.raises(UserError, match="there is no file"):
        timed_elsewhere(Place(host="device"), Wanted((tmp_path / "no.onnx",)))
