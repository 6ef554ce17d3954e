"""Searches by a metric of their own, of one name and two meanings."""

from dataclasses import replace

from automl.measure.measurement import Measurement
from automl.pareto import Axis
from automl.study.record import TrialRecord
from automl.study.study import create
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult
from helpers.small_study import SETTINGS, end

COST = """
import numpy as np
from automl import MLP, Metric, Quantize, Sklearn, Space, Train, TrialConfig

class Cost(Metric):
    better, perfect = {better!r}, {perfect}

    def __call__(self, outputs, targets):
        return float(np.abs(outputs.argmax(1) - targets).mean())

space = Space(
    TrialConfig(Sklearn("wine"), MLP((8,)), (Train(epochs=2), Quantize())),
    objectives=("cost", "size_bytes"),
    constraints=("cost within 0.5 of reference",),
)
"""
LESS, MORE = COST.format(better="min", perfect=0.0), COST.format(better="max", perfect=1.0)


def search_by_cost(folder, text):
    """A search in a folder whose trials cost 0.9, 0.1 and 0.05; the last is the largest."""
    axis = Axis(1.0, 0.0) if text is LESS else Axis(0.0, 1.0)
    settings = replace(
        SETTINGS,
        objectives=("cost", "size_bytes"),
        constraints=("cost within 0.5 of reference",),
        axes={"cost": axis, "size_bytes": SETTINGS.axes["size_bytes"]},
        initial_points=(),
    )
    study = create(folder, settings, text, {"": b"file"})
    for number, (cost, size_bytes) in enumerate([(0.9, 3000), (0.1, 3000), (0.05, 5000)]):
        record = TrialRecord(TrialId(number), {}, {})
        study.start(record)
        measured = Measurement({"cost": cost}, size_bytes, 1, 1)
        reached = {"cost": cost, "loss": 1.0}
        end(
            study,
            record,
            TrialResult(
                Status.COMPLETE, key=f"k{number}", measurement=measured, parent_quality=reached
            ),
        )
    return study
