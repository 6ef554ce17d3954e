"""A study of which every figure is known, for pages to tell of."""

import html
import json
import re
from dataclasses import replace

from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from automl.measure.measurement import Measurement
from automl.pareto import Axis
from automl.space import space_file
from automl.study.record import Settings, TrialRecord
from automl.study.rung_state import Entry, RungName, RungState
from automl.study.stopping.stop_rule import StopRule
from automl.study.study import create
from automl.study.trial_id import Kind, TrialId
from automl.trial.result import Status, TrialResult

AXES = {
    "accuracy": Axis(0.1, 1.0),
    "size_bytes": Axis(1e6, 1e3, True),
    "latency_ms": Axis(1.0, 1e-3, True),
}
SETTINGS = Settings(
    space_name="digits",
    folder="",
    objectives=tuple(AXES),
    constraints=("size_bytes<=100000",),
    fixed={},
    seed=0,
    sampler="tpe",
    axes=AXES,
    reference_latency_ms=1.0,
)
DISTRIBUTIONS = {
    "model": CategoricalDistribution(("MLP", "ConvNet")),
    "model.ConvNet.channels.0": IntDistribution(16, 48, step=8),
    "recipe.train.learning_rate.Warmup.schedule.peak": FloatDistribution(1e-3, 1e-1, log=True),
}
MEASURED = [
    (0.90, 10_000, 0.10),
    (0.95, 20_000, 0.12),
    (0.85, 30_000, 0.20),
    (0.97, 60_000, 0.30),
    (0.80, 4_000, 0.05),
    (0.99, 200_000, 0.90),
]
"""Accuracy, bytes, milliseconds: the third is dominated, the last breaks the constraint."""
NO_RUNGS = RungState()
EVIL = "<script>document.title = 'broken in'</script>"


def complete(accuracy, size_bytes, latency_ms, error=0.0, **more):
    uncertainty = {"accuracy": error} if error else {}
    figures = Measurement(
        {"accuracy": accuracy}, size_bytes, latency_ms, load_ms=1.0, uncertainty=uncertainty
    )
    stages = {"train": 10.0, "quantize": 2.0, "export": 1.0}
    return TrialResult(Status.COMPLETE, key="k", measurement=figures, **{"stages": stages, **more})


def make(folder, settings=SETTINGS, error=0.0):
    """The study: six trials measured, one stopped after a rung, one before, one rejected, two
    failed alike, one still running; trial 3 was trained again. Accuracies have a standard error."""
    study = create(folder / "known", settings, space_file.find("digits").read_text(), {"": b"file"})
    for place, figures in enumerate(MEASURED):
        more = {"reused_steps": 1, "reused_seconds": 7.5, "stages": {"export": 1.0}}
        end(study, complete(*figures, error, seconds=15.0, **(more if place == 4 else {})))
    rule = StopRule(free=0)
    at = AXES["accuracy"].at(0.55), AXES["size_bytes"].at(50_000), -0.5
    rule.goes_on(TrialId(6), RungName("train", "labels", 2), Entry("k6", at))
    stopped = "after epoch 2 of train it was not among the best third"
    end(study, TrialResult(Status.STOPPED, stopped, seconds=3.0), rungs=rule.state(TrialId(6)))
    end(study, TrialResult(Status.STOPPED, "the search's time was up", seconds=1.0))
    end(study, TrialResult(Status.REJECTED, "it is no smaller", stages={"train": 4.0}, seconds=5.0))
    end(study, TrialResult(Status.FAILED, f"ValueError: {EVIL} at row 3", seconds=2.0))
    end(study, TrialResult(Status.FAILED, f"ValueError: {EVIL} at row 14", seconds=2.0))
    study.start(_record(study))
    refitted = complete(0.98, 60_000, 0.30, error, seconds=20.0, stages={"train": 18.0})
    ended, refit = study.records()[3].ended + 120, TrialId(3, Kind.REFIT)
    more = {"result": refitted, "config": "{}", "ended": ended}
    study.write_refit(TrialRecord(refit, _params(3), {}, **more))
    study.set_attribute("runs", [[study.records()[0].ended - 60, 0.0]])
    for name, value in (("seconds", 180.0), ("slots", 2), ("state", "finished")):
        study.set_attribute(name, value)
    return study


def data(page):
    """The figures that stand in a page for its scripts."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text)


def text(page):
    """The words of a page, as a browser shows them."""
    page = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"</?(b|i|code|span)\b.*?>", "", page)).split())


def end(study, result, rungs=NO_RUNGS):
    record = _record(study)
    study.start(record)
    ended = record.on_course(rungs=rungs, departure=record.id.number + 1)
    study.end(replace(ended, result=result))


def _record(study):
    number = len(study.records())
    params = _params(number)
    return TrialRecord(TrialId(number), params, {name: DISTRIBUTIONS[name] for name in params})


def _params(number):
    peak = "recipe.train.learning_rate.Warmup.schedule.peak"
    if number % 2:
        return {"model": "MLP", peak: 0.002 * (number + 1)}
    return {"model": "ConvNet", "model.ConvNet.channels.0": 16 + 8 * (number % 5), peak: 0.01}
