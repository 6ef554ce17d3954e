"""Trials whose recipe takes more time than there is, on a clock that their batches move."""

import json
import math
from dataclasses import dataclass, replace

import pytest
from helpers.trials import DIGITS, drive

from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.config import decode
from automl.models.mlp import MLP
from automl.recipe import Sibling
from automl.space.space import TrialConfig
from automl.space.store_keys import prefix_keys
from automl.training.augmentation import Augmentation
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.schedules import Fixed
from automl.trial.time_limit import CUT_SHORT, NO_TIME, TIME_UP, Countdown, TimeLimit

CLOCK = [0.0]
JAM = [math.inf]
"""When the machine comes to be slower, ten times."""
NUM_BATCHES = 18
"""Batches of an epoch of digits."""


@dataclass(frozen=True)
class Slow(Augmentation):
    """A change of nothing that takes some seconds for each batch."""

    seconds: float = 1.0

    def __call__(self, rows):
        CLOCK[0] += self.seconds * (10 if CLOCK[0] >= JAM[0] else 1)
        return rows


def slow(label="", epochs=12, seconds=1.0, batch_size=64, **others):
    return Train(
        label=label,
        epochs=epochs,
        batch_size=Fixed(batch_size),
        augmentations=(Slow(seconds),),
        **others,
    )


@pytest.fixture
def config():
    recipe = slow("train"), Prune(0.5), slow("fine_tune", 4), Quantize()
    return TrialConfig(DIGITS, MLP((16,)), recipe)


def limit(seconds, left=None, jam=math.inf, **others):
    CLOCK[0], JAM[0] = 0.0, jam
    countdown = Countdown(seconds if left is None else left, now=lambda: CLOCK[0])
    return TimeLimit(countdown, seconds, **others)


def test_a_trial_that_has_the_time_is_what_it_would_be_without_a_limit(config, store):
    first, ended = drive(config, store, limit=limit(10_000))
    again, other = drive(config, store)
    assert (ended.status, ended.shortened, ended.config) == ("complete", "", "")
    assert other.reused_steps == 4 and ended.key == other.key == prefix_keys(config)[-1]
    assert len(first) == 16 and not again


def test_trainings_are_shortened_to_the_time_of_a_trial(config, store):
    """The whole takes 16 epochs of 18 s each."""
    reports, ended = drive(config, store, limit=limit(100))
    assert (ended.status, CLOCK[0] <= 110) == ("complete", True)
    shorter = decode(json.loads(ended.config))
    assert [step.epochs for step in shorter.recipe if isinstance(step, Train)] == [4, 1]
    assert ended.key == prefix_keys(shorter)[-1]
    assert not store.names(prefix_keys(config)[0]), "nothing stands for the full training"
    told = reports[0]
    assert (told.step, told.epoch, told.epochs) == ("train", 0, 4)
    assert "an epoch takes about 19 s" in told.note and "shortened to train 4 of 12" in told.note
    assert ended.shortened == "train 4 of 12 epochs" and told.note in ended.notes
    assert [(r.step, r.epoch) for r in reports[1:]] == [
        *(("train", i) for i in (1, 2, 3, 4)),
        ("fine_tune", 1),
    ]


def test_below_an_epoch_a_share_of_the_rows_is_trained_on(config, store):
    recipe = slow("train", 2, batch_size=8), Prune(0.5), slow("fine_tune", 1), Quantize()
    reports, ended = drive(replace(config, recipe=recipe), store, limit=limit(120))
    step = decode(json.loads(ended.config)).recipe[0]
    assert ended.status == "complete" and CLOCK[0] < 120
    assert (step.epochs, step.row_share) == (1, 0.375)
    assert [(r.step, r.epoch) for r in reports] == [("train", 0), ("train", 1), ("fine_tune", 1)]
    assert "of the rows" in ended.shortened


def test_trials_of_one_training_share_the_shortened_one(config, store):
    _, first = drive(config, store, limit=limit(100))
    other = replace(config, recipe=(*config.recipe[:3], Quantize(bits=4)))
    reports, second = drive(other, store, limit=limit(100))
    assert second.status == "complete" and second.reused_steps == 3
    assert (
        decode(json.loads(second.config)).recipe[:3] == decode(json.loads(first.config)).recipe[:3]
    )
    assert [r.step for r in reports] == ["train"], "only the report that says so"


def test_with_more_time_the_full_training_is_made(config, store):
    drive(config, store, limit=limit(100))
    _, ended = drive(config, store, limit=limit(10_000))
    assert ended.reused_steps == 0 and not ended.shortened


def test_what_the_time_cuts_off_is_finished_as_it_stands(config, store):
    """From the third epoch on the machine is slower than it was."""
    reports, ended = drive(config, store, limit=limit(400, jam=40))
    assert (ended.status, ended.config) == ("complete", "")
    assert ended.shortened == f"{CUT_SHORT} after 37% of train"
    assert f"{ended.shortened}: time was up" in ended.notes
    assert [(r.step, r.epoch) for r in reports] == [("train", epoch) for epoch in (1, 2, 3, 4)]
    assert set(ended.stages) == {"train", "prune", "fine_tune", "quantize", "export"}
    assert ended.measurement.quality["accuracy"] > 0.2
    keys = prefix_keys(config)
    assert ended.key not in keys and store.read(ended.key, "model.onnx")
    assert not any(store.names(key) for key in keys)
    _, full = drive(config, store)
    assert full.reused_steps == 0 and full.key == keys[-1]


def test_a_cut_in_the_fine_tuning_leaves_the_training_to_others(config, store):
    _, ended = drive(config, store, limit=limit(400, jam=12 * 18 + 12))
    assert "of fine_tune" in ended.shortened
    _, other = drive(config, store)
    assert other.reused_steps == 2


def test_a_trial_without_time_says_what_to_change(config, store):
    slower = replace(config, recipe=(slow("train", seconds=20.0), Quantize()))
    _, ended = drive(slower, store, limit=limit(100))
    assert (ended.status, CLOCK[0]) == ("stopped", 40)
    assert ended.reason.startswith(f"{NO_TIME}: an epoch takes about 375 s")
    assert "its first 20 batches 337 s" in ended.reason
    assert "the search has 60 s left; give about 6 times the time" in ended.reason


def test_a_trial_takes_more_than_its_share_where_that_alone_gives_a_model(config, store):
    slower = replace(config, recipe=(slow("train", seconds=20.0), Quantize()))
    _, ended = drive(slower, store, limit=limit(100, left=1000))
    assert (ended.status, ended.shortened) == ("complete", "train 1 of 12 epochs")


def test_a_trial_that_comes_too_late_does_not_begin(config, store):
    reports, ended = drive(config, store, limit=limit(100, left=10, least_seconds=20))
    assert (ended.status, ended.reason, reports) == ("stopped", TIME_UP, [])


def test_a_teacher_is_shortened_with_its_pupil(config, store):
    sibling = Sibling((slow("train"),), MLP((32,)))
    taught = replace(config, recipe=(slow("train", loss=Distill(sibling)), Quantize()))
    reports, ended = drive(taught, store, limit=limit(250))
    assert ended.status == "complete"
    step = decode(json.loads(ended.config)).recipe[0]
    assert (step.epochs, step.teacher.recipe[0].epochs) == (9, 4) and CLOCK[0] < 250
    assert ended.key == prefix_keys(decode(json.loads(ended.config)))[-1]
    assert {r.step for r in reports} == {"train", "train.teacher.train"}
    _, ended = drive(taught, store, limit=limit(1000, jam=30))
    assert ended.status == "complete" and "cut short" in ended.shortened


def test_without_time_to_fine_tune_a_trained_model_is_finished(config, store):
    """The machine comes to be slower when the fine-tuning begins."""
    recipe = slow("train"), Prune(0.5), slow("fine_tune", 4, seconds=10.0), Quantize()
    slower = replace(config, recipe=recipe)
    _, ended = drive(slower, store, limit=limit(12 * 18 + 90, jam=12 * 18))
    assert (ended.status, ended.shortened) == ("complete", f"{CUT_SHORT} before fine_tune")
