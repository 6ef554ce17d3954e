"""Reports and results as they leave a trial: what is sent can be written and ranked."""

import pytest
from torch import nn

from automl.cluster import sent_back
from automl.measure.measurement import Measurement
from automl.recipe import Report
from automl.trial.result import Status, TrialResult, failed


class Wordless(Exception):
    def __str__(self):
        raise RuntimeError


def complete(**more):
    measured = Measurement({"accuracy": more.pop("accuracy", 0.5)}, 100, 1.0, 1.0)
    return TrialResult(Status.COMPLETE, key="k", measurement=measured, **more)


def test_a_report_of_anything_else_is_refused():
    said = sent_back.report(Report("train", 1, 2, {"loss": 1}))
    assert said == Report("train", 1, 2, {"loss": 1.0})
    with pytest.raises(TypeError, match="a step gave str where a Report is due"):
        sent_back.report("half done")
    with pytest.raises(ValueError, match="could not convert string to float"):
        sent_back.report(Report("train", 1, 2, {"loss": "low"}))


def test_a_result_goes_as_it_is_unless_it_cannot_be_written():
    assert sent_back.result(complete(notes=("a note",))) == complete(notes=("a note",))
    assert sent_back.result(complete(notes=(nn.ReLU(),))).notes == ("ReLU()",)
    ended = sent_back.result(complete(sensitivity={"prune": {"layers": {1, 2}}}))
    assert ended.status is Status.FAILED
    assert ended.reason == "TypeError: Object of type set is not JSON serializable"


@pytest.mark.parametrize("figure", [float("nan"), float("inf")])
def test_a_figure_that_is_no_number_refuses_the_model(figure):
    ended = sent_back.result(complete(accuracy=figure, parent_quality={"accuracy": figure, "r": 1}))
    assert (ended.status, ended.measurement) == (Status.REJECTED, None)
    assert ended.parent_quality == {"r": 1}
    assert ended.reason == f"its accuracy is {figure}, no finite number"


def test_any_error_is_told_in_words():
    ended = sent_back.result(failed(Wordless()))
    assert ended.reason == "Wordless: it cannot say why, its own words raise RuntimeError"
    assert "test_sent_back.Wordless: <exception str() failed>" in ended.traceback
    assert failed(KeyError()).reason == "KeyError"
