"""Runtimes in a space: the names of their figures, and what is refused before anything runs."""

from dataclasses import replace

import pytest

from automl.data.sklearn import Sklearn
from automl.errors import UserError
from automl.models.mlp import MLP
from automl.runtimes.onnx import OnnxRuntime
from automl.runtimes.own_formats import ExecuTorch, LiteRT
from automl.space.exploring import validate
from automl.space.runtime import by_name, further_figures
from automl.space.space import Space, TrialConfig
from automl.training.loop import Train

SPACE = Space(TrialConfig(Sklearn("digits"), MLP((8,)), (Train(),)))
ONE, MANY, OPENVINO = OnnxRuntime(), OnnxRuntime(threads=4, batch=8), OnnxRuntime("OpenVINO")


@pytest.mark.parametrize(
    ("runtimes", "names"),
    [
        ([ONE], ["onnxruntime"]),
        ([ONE, OPENVINO], ["onnxruntime", "openvino"]),
        ([ONE, MANY], ["onnxruntime", "onnxruntime-4x8"]),
        ([OPENVINO, ONE, MANY], ["openvino", "onnxruntime-1x1", "onnxruntime-4x8"]),
    ],
)
def test_a_runtime_is_named_with_threads_and_rows_where_others_share_its_name(runtimes, names):
    named = by_name(runtimes)
    assert list(named) == names and list(named.values()) == runtimes


def test_a_runtime_says_what_a_latency_on_it_is_of():
    runtimes = (ONE, OnnxRuntime("OpenVINO", threads=4, batch=8), ExecuTorch())
    assert [runtime.words for runtime in runtimes] == [
        "one row, one thread",
        "8 rows a call, 4 threads, OpenVINO",
        "one row, one thread, ExecuTorch",
    ]


def test_the_same_runtime_twice_is_refused():
    with pytest.raises(UserError, match="among the runtimes twice"):
        by_name([ONE, OPENVINO, OnnxRuntime()])


def test_figures_on_further_runtimes_may_be_objectives_and_constraints():
    assert further_figures([ONE, OPENVINO]) == ["openvino/latency_ms", "openvino/load_ms"]
    own = [f"executorch/{name}" for name in ("latency_ms", "load_ms", "size_bytes")]
    assert further_figures([ONE, ExecuTorch()]) == own
    objectives = ("accuracy", "latency_ms", "onnxruntime-4x8/latency_ms")
    space = replace(
        SPACE,
        runtimes=(ONE, MANY),
        objectives=objectives,
        constraints=("onnxruntime-4x8/latency_ms <= 2 and size_bytes <= 9000",),
    )
    validate(space)
    assert [one.figure for one in space.conditions] == ["onnxruntime-4x8/latency_ms", "size_bytes"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"objectives": ("openvino/latency_ms",)}, "unknown objective 'openvino/latency_ms'"),
        ({"constraints": ("openvino/latency_ms<=1",)}, "unknown figure 'openvino/latency_ms'"),
        ({"runtimes": (OnnxRuntime(threads=0),)}, r"OnnxRuntime\(threads=0\): give 1 or more"),
        ({"runtimes": (ExecuTorch(),)}, r"write runtimes=\(OnnxRuntime\(\), ExecuTorch\(\)\)"),
        ({"runtimes": (ONE, LiteRT(batch=2))}, r"LiteRT\(batch=2\): its files take at most 1"),
        ({"objectives": ("accuracy", "executorch/size_bytes")}, "unknown objective 'executorch/s"),
        ({"runtimes": (OnnxRuntime("openvino"),)}, "write 'OpenVINO'"),
        ({"runtimes": (OnnxRuntime("Nvidia"),)}, "unknown provider 'Nvidia'"),
    ],
)
def test_what_cannot_be_measured_is_refused(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        validate(replace(SPACE, **changes))
