"""A study whose trials ended as a test says."""

from dataclasses import replace

from automl.measure.measurement import Measurement
from automl.pareto import Axis
from automl.study.record import Settings, TrialRecord
from automl.study.study import create
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult

SETTINGS = Settings(
    space_name="digits",
    folder="",
    objectives=("accuracy", "size_bytes"),
    constraints=(),
    fixed={},
    seed=0,
    sampler="random",
    axes={"accuracy": Axis(0.1, 1.0), "size_bytes": Axis(1e5, 1e2, True)},
    reference_latency_ms=1.0,
    initial_points=({"model": "MLP", "recipe.prune.fraction": 0.5},),
)


def complete(accuracy, size_bytes):
    return TrialResult(
        Status.COMPLETE, key="k", measurement=Measurement({"accuracy": accuracy}, size_bytes, 1, 1)
    )


def make_study(folder, *results, settings=SETTINGS, database=None):
    """A study whose trials ended so; None is one that runs."""
    study = create(folder / "mine", settings, "text", {"": b"file"}, database=database)
    for result in results:
        record = TrialRecord(TrialId(len(study.records())), {}, {})
        study.start(record)
        if result is not None:
            end(study, record, result)
    return study


def end(study, record, result):
    """Write how a trial ended, in the order of the trials' numbers."""
    study.end(replace(record.on_course(departure=record.id.number + 1), result=result))
