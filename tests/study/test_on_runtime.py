"""The front on one of several runtimes: its latency stands in the place of that on the others."""

from dataclasses import replace

import pytest
from helpers.small_study import SETTINGS, make_study

from automl.config import decode, encode
from automl.errors import UserError
from automl.measure.latency import Reference
from automl.measure.measurement import Measurement
from automl.pareto import SPAN, Axis
from automl.runtimes.onnx import OnnxRuntime
from automl.runtimes.own_formats import ExecuTorch
from automl.study import glance, selection
from automl.study.study import Study, create
from automl.tracking.pages import findings, report
from automl.tracking.pages.front_table import table
from automl.trial.result import Status, TrialResult

LATENCIES = ("latency_ms", "openvino/latency_ms")
OF_TWO = replace(
    SETTINGS,
    objectives=("accuracy", *LATENCIES),
    axes={"accuracy": Axis(0.1, 1.0), **{name: Axis(10.0, 0.01, log=True) for name in LATENCIES}},
    runtimes=(OnnxRuntime(), OnnxRuntime("OpenVINO")),
    reference={"size_bytes": 1e4, "openvino/latency_ms": 2.0, "openvino/load_ms": 5.0},
)


def measured(accuracy, *times):
    further = {"openvino/latency_ms": times[1], "openvino/load_ms": 1.0}
    figures = Measurement({"accuracy": accuracy}, 1000, times[0], 1.0, further=further)
    return TrialResult(Status.COMPLETE, key="k", measurement=figures)


@pytest.fixture
def study(tmp_path):
    """A model that is fast on one runtime, one on the other, and one that is good on both."""
    found = (measured(0.9, 1.0, 3.0), measured(0.9, 3.0, 1.0), measured(0.95, 2.0, 2.0))
    return make_study(tmp_path, *found, settings=OF_TWO)


def numbers(front):
    return [record.id.number for record in front.members]


def test_each_runtime_has_a_front_and_all_have_one_together(study):
    assert numbers(study.front()) == [0, 1, 2]
    assert numbers(study.on_runtime("onnxruntime").front()) == [0, 2]
    assert numbers(study.on_runtime("openvino").front()) == [1, 2]
    assert study.on_runtime(None) is study
    there = study.on_runtime("openvino").settings
    assert there.objectives == ("accuracy", "openvino/latency_ms")
    assert there.axes["openvino/latency_ms"] == Axis(2.0, 2.0 / SPAN, log=True)
    with pytest.raises(UserError, match="unknown runtime 'openvin'; did you mean 'openvino'"):
        study.on_runtime("openvin")


def test_a_look_at_the_search_has_the_same_fronts(study):
    assert numbers(glance.of(study.folder).on_runtime("openvino").front()) == [1, 2]


@pytest.mark.parametrize(
    ("wish", "number"),
    [
        ({"best": "openvino/latency_ms"}, 1),
        ({"where": "openvino/latency_ms<=2 and accuracy>=0.92"}, 2),
        ({"prefer": "openvino/latency_ms within 1%"}, 1),
        ({"where": "openvino/latency_ms <= 60% of reference"}, 1),
    ],
)
def test_a_model_is_chosen_by_its_figures_on_a_runtime(study, wish, number):
    assert selection.choose(study, **wish).id.number == number


def test_a_model_is_chosen_from_the_front_on_a_runtime(study):
    there = study.on_runtime("onnxruntime")
    assert selection.choose(there, best="latency_ms").id.number == 0


def test_an_unknown_figure_of_a_runtime_names_the_nearest(study):
    with pytest.raises(UserError, match="did you mean 'openvino/latency_ms'"):
        selection.choose(study, where="openvino/latency<=2")


def test_tables_and_pages_have_the_figures_of_all_runtimes(study):
    header = table(study.front().members).splitlines()[0].split(",")
    assert header[-3:] == ["load_ms", "openvino/latency_ms", "openvino/load_ms"]
    found = findings.read(study, {})
    assert [(one.name, len(one.front), len(one.own)) for one in found.on_runtimes] == [
        ("onnxruntime", 2, 1),
        ("openvino", 2, 1),
    ]
    page = report.document(found)
    assert "The front on each runtime" in page
    assert "automl export mine --runtime openvino --knee --out out" in page


def test_a_search_on_one_runtime_is_kept_as_before(study):
    assert not {"runtimes", "measured_on"} & encode(SETTINGS).keys()
    assert decode(encode(OF_TWO)) == OF_TWO
    assert list(SETTINGS.by_name) == ["onnxruntime"]


def test_each_runtime_has_the_reference_in_the_format_that_it_takes(tmp_path):
    known = {"executorch/latency_ms": 2.0, "executorch/load_ms": 5.0, "executorch/size_bytes": 3.0}
    runtimes = (OnnxRuntime(), OnnxRuntime(batch=8), ExecuTorch())
    known |= {"onnxruntime-1x8/latency_ms": 4.0}
    settings = replace(SETTINGS, runtimes=runtimes, reference=known)
    create(tmp_path / "own", settings, "text", {"": b"onnx", "executorch": b"pte"})
    found = Study(tmp_path / "own").timed_beside
    assert [one.file for one in found.values()] == [b"onnx", b"onnx", b"pte"]
    assert found["executorch"] == Reference(b"pte", 2.0, 5.0, ExecuTorch())
