"""Files of several formats, timed in turn on their own runtimes."""

import sys

import pytest

from automl.errors import UserError
from automl.export import onnx
from automl.measure.times_by_ending import times_by_ending
from automl.models.mlp import MLP
from automl.runtimes.onnx import OnnxRuntime
from automl.runtimes.own_formats import ExecuTorch
from automl.trial.checked_format import in_formats


@pytest.fixture
def path(build, context, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx.export(build(MLP((16,))), context.data))
    return path


@pytest.mark.parametrize("batch", [1, 3])
def test_each_file_runs_on_the_runtime_of_its_ending(batch, path, build, context):
    try:
        ExecuTorch().check_here()
    except UserError as missing:
        pytest.skip(str(missing))
    other = path.with_name("model.pte")
    other.write_bytes(in_formats(build(MLP((16,))), context.data)("executorch"))
    files = [path, other, path, other]
    for asked in (files, files[1:]):
        timed = times_by_ending(asked, OnnxRuntime(batch=batch))
        assert [one.file for one in timed.files] == [str(one) for one in asked]
        assert all(0 < one.latency_ms < 1000 and one.load_ms > 0 for one in timed.files)
        assert timed.notes == [] and timed.runtime.batch == batch


def test_what_cannot_be_timed_is_refused_in_a_sentence(path, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"there is no file .*model\.pte; check the path"):
        times_by_ending([path, tmp_path / "model.pte"], OnnxRuntime())
    other = path.rename(path.with_name("model.tflite"))
    with pytest.raises(UserError, match=r"LiteRT\(batch=2\): its files take at most 1 at a time"):
        times_by_ending([other], OnnxRuntime(batch=2))
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(UserError, match=r"LiteRT\(\) needs .* 'frontier-automl\[litert\]'"):
        times_by_ending([other], OnnxRuntime())
