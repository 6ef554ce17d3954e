"""Reports as the stop rule compares them."""

from dataclasses import dataclass, field, replace
from functools import partial

import pytest
from helpers.trials import DIGITS

from automl import pareto
from automl.compression.quantize import Quantize
from automl.models.mlp import MLP
from automl.pareto import SPAN, Axis
from automl.recipe import Report
from automl.space.space import TrialConfig
from automl.space.store_keys import prefix_keys
from automl.study.record import Settings
from automl.study.rung_state import RungName
from automl.study.stopping.rung_entry import LEAST_BATCHES, rung_entry
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.losses import CrossEntropy

NAMES = ("accuracy", "size_bytes", "latency_ms")
AXES = {
    "accuracy": Axis(0.1, 1.0),
    "size_bytes": Axis(1e5, 1e2, True),
    "latency_ms": Axis(1.0, 1e-3, True),
}
SETTINGS = Settings("s", "", NAMES, (), {}, 0, "tpe", AXES, 1.0)
RECIPE = (Train(epochs=20), Train(label="again", epochs=20), Quantize())
CONFIG = TrialConfig(DIGITS, MLP((16,)), RECIPE)
KEYS = prefix_keys(CONFIG)


@dataclass
class Bound:
    config: TrialConfig
    size_bytes: int = 1000
    macs: int = 100
    steps: dict[str, int] = field(default_factory=dict)


def entered(step, epoch, config=CONFIG, settings=SETTINGS, accuracy=0.55):
    report = Report(step, epoch, 20, {"accuracy": accuracy})
    return rung_entry(settings, Bound, config, KEYS, report)


def test_what_has_learned_from_few_batches_is_not_compared():
    def name_of(batches):
        report = Report("train", 8, 20, {"accuracy": 0.55}, batches=batches)
        entered = rung_entry(SETTINGS, Bound, CONFIG, KEYS, report)
        return entered and entered[0]

    assert name_of(LEAST_BATCHES - 1) is None
    assert name_of(LEAST_BATCHES) == name_of(0) == RungName("train", "labels", 8)


def test_an_entry_holds_quality_and_bounds():
    name, entry = entered("again", 8)
    assert name == RungName("again", "labels", 8) and entry.key == KEYS[1]
    quality, size, work = entry.values
    assert quality == pytest.approx(0.5) and size == AXES["size_bytes"].at(1000)
    _, harder = rung_entry(
        SETTINGS,
        lambda config: Bound(config, macs=100 * int(SPAN)),
        CONFIG,
        KEYS,
        Report("again", 8, 20, {"accuracy": 0.55}),
    )
    assert work - harder.values[2] == pytest.approx(1.0)


def test_the_work_of_a_file_goes_by_the_bound():
    axes = {"accuracy": AXES["accuracy"], **dict.fromkeys(pareto.WORK, Axis(1e6, 1e3, True))}
    entries = [
        rung_entry(
            replace(SETTINGS, axes=axes),
            partial(Bound, macs=macs),
            CONFIG,
            KEYS,
            Report("train", 2, 20, {"accuracy": 0.55}),
        )
        for macs in (100, 10_000)
    ]
    (_, little, less), (_, much, more) = (entry.values for _, entry in entries)
    assert little == less > much == more


def test_between_rungs_and_in_a_teachers_training_nothing_is_compared():
    assert entered("train", 3) is None
    assert entered("train.teacher.train", 2) is None


def test_a_distilling_loss_has_a_rung_of_its_own():
    def kind(loss):
        steps = (RECIPE[0], replace(RECIPE[1], loss=loss), RECIPE[2])
        return entered("again", 2, replace(CONFIG, recipe=steps))[0]

    assert kind(None) == kind(CrossEntropy()) == RungName("again", "labels", 2)
    assert kind(Distill()) == RungName("again", "Distill", 2)


def test_what_is_known_of_a_constraint_counts():
    limited = replace(SETTINGS, constraints=("size_bytes<=500", "latency_ms<=0.001"))
    assert entered("train", 2, settings=limited)[1].violation == 1.0
    assert entered("train", 2)[1].violation == 0.0


def test_a_trial_whose_file_is_not_known_is_compared_by_quality_alone():
    def entered_with(*names):
        settings = replace(SETTINGS, axes={name: AXES[name] for name in names})
        report = Report("train", 2, 20, {"accuracy": 0.55})
        unknown = partial(Bound, size_bytes=0, macs=0)
        return rung_entry(settings, unknown, CONFIG, KEYS, report)

    assert entered_with("accuracy", "size_bytes") is None, "unknown bytes are not the fewest"
    assert entered_with("accuracy", "latency_ms") is None
    assert entered_with("accuracy")[1].values == (pytest.approx(0.5),)
