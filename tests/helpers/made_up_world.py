"""A space whose trials are made up: quality and bytes by a formula."""

import numpy as np

from automl.measure.measurement import Measurement
from automl.pareto import Axis
from automl.space import space_file
from automl.study.record import Settings, TrialRecord
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult

AXES = {"accuracy": Axis(0.0, 1.0), "size_bytes": Axis(100_000.0, 0.0)}

NAMES = ("accuracy", "size_bytes")

SETTINGS = Settings("s", "", NAMES, (), {}, 0, "tpe", AXES, 1.0)

SPACE = space_file.load(space_file.find("digits").read_text())


class Bound:
    is_rejected = False

    def __init__(self, config):
        self.size_bytes, self.macs = 1000, 1000
        self.steps = {step.label: 10**10 * getattr(step, "epochs", 0) for step in config.recipe}


def world(params):
    """(what the training reaches, what is left of it, bytes)."""
    rate = params.get("recipe.train.learning_rate.Fixed.value", 5e-3)
    trained = 0.9 - 20 * abs(rate - 5e-3)
    cost = 0.5 * params.get("recipe.prune.fraction", 0.0) ** 2
    bits = {"8": 8, "4": 4, "2": 2}.get(params.get("recipe.quantize.bits"), 32)
    widths = sum(v for p, v in params.items() if p.startswith("model.") and isinstance(v, int))
    return trained, trained - cost - 0.02 * (bits == 2), 500 * bits + 10 * bits * widths


def record(candidate, number):
    trained, accuracy, size_bytes = world(candidate.params)
    measured = Measurement({"accuracy": accuracy}, size_bytes, 1.0, 1.0)
    result = TrialResult(
        Status.COMPLETE, measurement=measured, parent_quality={"accuracy": trained}
    )
    return TrialRecord(TrialId(number), candidate.params, candidate.distributions, result=result)


def volume(places):
    corners = np.linspace(0, 1, 200)
    x, y = np.array(places).T
    return ((x[:, None, None] >= corners[:, None]) & (y[:, None, None] >= corners)).any(0).mean()
