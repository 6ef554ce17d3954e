"""Runtimes as options spell them, and what a search refuses before it starts."""

import sys
from dataclasses import replace

import pytest

from automl.cli.check import examine
from automl.engine import api, chosen_runtimes
from automl.engine.search_options import Options
from automl.errors import UserError
from automl.home import Home
from automl.measure.device import device
from automl.measure.timed_elsewhere import Place
from automl.runtimes.onnx import OnnxRuntime
from automl.runtimes.own_formats import ExecuTorch, LiteRT
from automl.space import space_file
from automl.space.runtime import Runtime

DIGITS = space_file.load(space_file.read(space_file.find("digits")))
OWN = space_file.load(
    """
from automl import MLP, OnnxRuntime, Sklearn, Space, Train, TrialConfig

class Mine(OnnxRuntime):
    pass

space = Space(TrialConfig(Sklearn("digits"), MLP((8,)), (Train(),)), runtimes=(Mine(),))
"""
)
COREML = replace(DIGITS, runtimes=(OnnxRuntime("CoreML"),))


@pytest.mark.parametrize(
    ("text", "runtime"),
    [
        ("onnxruntime", OnnxRuntime()),
        ("openvino", OnnxRuntime("OpenVINO")),
        ("OnnxRuntime:threads=4,batch=8", OnnxRuntime(threads=4, batch=8)),
        ("cuda:batch=64", OnnxRuntime("CUDA", batch=64)),
        ("executorch:threads=2", ExecuTorch(threads=2)),
    ],
)
def test_a_runtime_is_read_as_its_name_and_fields(text, runtime):
    assert chosen_runtimes.read(text) == runtime


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("openvinoo", "unknown runtime 'openvinoo'; did you mean 'openvino'"),
        ("openvino:threads", "'threads' is no threads or batch, as in --runtime onnxruntime:thr"),
        ("openvino:rows=4", "'rows=4' is no threads or batch"),
    ],
)
def test_a_runtime_that_cannot_be_read_is_refused(text, sentence):
    with pytest.raises(UserError, match=sentence):
        chosen_runtimes.read(text)


def test_where_latency_is_an_objective_it_is_one_on_each_runtime_wanted():
    wanted = ["onnxruntime", OnnxRuntime(threads=4, batch=8)]
    space = chosen_runtimes.with_runtimes(DIGITS, wanted)
    assert space.objectives == (*DIGITS.objectives, "onnxruntime-4x8/latency_ms")
    assert chosen_runtimes.with_runtimes(space, ["openvino"]).objectives == DIGITS.objectives
    assert chosen_runtimes.with_runtimes(space, None) is space
    space = chosen_runtimes.with_runtimes(DIGITS, ["litert"])
    assert space.runtimes == (OnnxRuntime(), LiteRT()), "the first takes the ONNX file"
    assert space.objectives == (*DIGITS.objectives, "litert/latency_ms")


@pytest.mark.parametrize(
    ("runtime", "package"),
    [(ExecuTorch(), "executorch.version"), (LiteRT(), "ai_edge_litert.interpreter")],
)
def test_a_runtime_without_its_package_names_the_extra(runtime, package, monkeypatch):
    for name in (package, package.split(".")[0]):
        monkeypatch.setitem(sys.modules, name, None)
    space = replace(DIGITS, runtimes=(OnnxRuntime(), runtime))
    sentence = f"{type(runtime).__name__}.. needs .* 'frontier-automl.{runtime.format}.'"
    with pytest.raises(UserError, match=sentence):
        chosen_runtimes.where(space, Options())
    with pytest.raises(UserError, match="is measured on the machines of the search alone"):
        device(Place(sys.executable), space.runtimes[1:])


@pytest.mark.parametrize(
    ("space", "options", "sentence"),
    [
        (COREML, {}, "here has no provider CoreML"),
        (replace(DIGITS, runtimes=(Runtime(),)), {}, "Runtime runs no files; take one such as Onn"),
        (OWN, {}, "Mine is a class of the space file"),
        (COREML, {"measure_python": "/no/python"}, "cannot run /no/python: No such file"),
        (DIGITS, {"measure_over": "pi@host"}, "--measure-over pi@host: write ssh:USER@HOST"),
        (DIGITS, {"measure_over": "ssh:no.such.host.invalid"}, r"no\.such\.host\.invalid: ssh: "),
        (DIGITS, {"measure_python": "python3", "measure_on": "pi"}, "leave one out"),
    ],
)
def test_a_place_without_the_runtime_is_refused(space, options, sentence):
    with pytest.raises(UserError, match=sentence):
        chosen_runtimes.where(space, Options(**options))


def test_a_search_and_check_refuse_a_provider_that_is_not_here_in_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"here has no provider CoreML, but .*choose another$"):
        api.search("digits", runtimes=["coreml"], home=tmp_path / "home")
    with pytest.raises(UserError, match=r"here has no provider CoreML, but .*choose another$"):
        examine("digits", {"runtimes": ["coreml"]}, Home(tmp_path / "home"), run=False)
