"""Importance where the truth is known: a made-up world of five parameters."""

import math
import random
from dataclasses import replace

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from automl.measure.measurement import Measurement
from automl.pareto import Axis
from automl.study.importance import MIN_TRIALS, importances, interactions
from automl.study.record import Settings, TrialRecord
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult

AXES = {"accuracy": Axis(0.0, 1.0), "size_bytes": Axis(1e6, 1e3, True)}
SETTINGS = Settings("s", "", tuple(AXES), (), {}, 0, "tpe", AXES, 1.0)
NUMBER = FloatDistribution(0.0, 1.0)
DISTRIBUTIONS = {
    "rate": FloatDistribution(1e-3, 1e-1, log=True),
    "width": IntDistribution(8, 64, step=8),
    "bits": CategoricalDistribution(["8", "4"]),
    "noise": NUMBER,
    "model": CategoricalDistribution(["plain", "deep"]),
}


def drawn(rng):
    params = {
        "rate": 10 ** rng.uniform(-3, -1),
        "width": 8 * rng.randint(1, 8),
        "bits": rng.choice(["8", "4"]),
        "noise": rng.random(),
        "model": rng.choice(["plain", "deep"]),
    }
    return {**params, "depth": rng.random()} if params["model"] == "deep" else params


def records(accuracy, count=80, size_bytes=lambda p: 500 * p["width"] * int(p["bits"])):
    rng, found = random.Random(0), []
    for number in range(count):
        params = drawn(rng)
        measured = Measurement(
            {"accuracy": accuracy(params) + rng.gauss(0, 0.01)}, size_bytes(params), 1.0, 1.0
        )
        distributions = {name: DISTRIBUTIONS.get(name, NUMBER) for name in params}
        result = TrialResult(Status.COMPLETE, measurement=measured)
        found.append(TrialRecord(TrialId(number), params, distributions, result=result))
    return found


def by_rate(params):
    """Best at 1e-2, and nothing else counts."""
    return 0.9 - 0.3 * (math.log10(params["rate"]) + 2) ** 2


def test_the_deciding_parameters_come_first():
    found = importances(SETTINGS, records(by_rate, 160))
    accuracy, size_bytes = found["accuracy"], found["size_bytes"]
    assert accuracy[0].path == "rate" and accuracy[0].share > 0.4 and accuracy[0].is_clear
    assert [one.path for one in accuracy if one.is_clear] == ["rate"]
    assert {one.path for one in size_bytes if one.is_clear} == {"width", "bits"}
    assert {one.path for one in size_bytes[:2]} == {"width", "bits"}
    for own in found.values():
        assert sum(one.share for one in own) == pytest.approx(1.0)


def test_what_the_best_have_is_told():
    found = importances(SETTINGS, records(by_rate))
    low, high = map(float, found["accuracy"][0].best.split(" to "))
    assert 0.004 < low < high < 0.025
    bits = next(one for one in found["size_bytes"] if one.path == "bits")
    assert bits.best == "4"


def test_a_parameter_that_only_some_trials_have_may_decide():
    found = importances(
        SETTINGS, records(lambda p: 0.5 + (0.4 * p["depth"] if p["model"] == "deep" else 0.0))
    )
    assert {one.path for one in found["accuracy"][:2]} == {"model", "depth"}


def test_effects_that_add_up_are_no_interaction():
    found = interactions(SETTINGS, records(lambda p: by_rate(p) - 0.002 * p["width"]))
    clear = {name: [pair for pair in own if pair.is_clear] for name, own in found.items()}
    assert clear["accuracy"] == []
    assert all(pair.share < 0.02 for pair in clear["size_bytes"])


def test_two_that_act_together_are_found():
    """What the width does turns round with the bits."""
    found = interactions(
        SETTINGS,
        records(lambda p: 0.6 + 0.004 * (p["width"] - 36) * (1 if p["bits"] == "8" else -1)),
    )
    first = found["accuracy"][0]
    assert {first.first, first.second} == {"width", "bits"}
    assert first.is_clear and first.share > 0.8 and first.num_trials == 80


def test_of_few_trials_nothing_is_said():
    few = records(by_rate, MIN_TRIALS - 1)
    assert importances(SETTINGS, few) == {}
    assert interactions(SETTINGS, few) == {}
    stopped = [replace(one, result=TrialResult(Status.STOPPED)) for one in records(by_rate)]
    assert importances(SETTINGS, stopped) == {}
