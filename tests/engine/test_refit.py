"""Refits: the config of each, and the order in which they are handed out."""

import json
from dataclasses import replace

import pytest
from helpers.trials import DIGITS, drive

from automl.compression.average_flips import AverageFlips
from automl.compression.binarize import Binarize
from automl.compression.clip import Clip
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.config import decode
from automl.engine.refit import Refitter, refit_config
from automl.measure.measurement import Measurement
from automl.models.family import Spec
from automl.models.mlp import MLP
from automl.pareto import Axis
from automl.space.space import TrialConfig
from automl.space.store_keys import needed_keys
from automl.study.background import Immediately
from automl.study.record import Settings, TrialRecord
from automl.study.study import Study, create
from automl.study.trial_id import Kind, TrialId
from automl.training.loop import Train
from automl.trial.result import Status, TrialResult

NAMES = ("accuracy", "size_bytes")
AXES = {"accuracy": Axis(0.1, 1.0), "size_bytes": Axis(1e5, 1e2, True)}
RECIPE = (Train(epochs=3), Prune(0.5), Train(label="fine_tune", epochs=2), Quantize())


def no_cut(position):
    raise AssertionError(position)


def test_a_refit_trains_the_cut_shape_and_quantizes_it():
    config = TrialConfig(DIGITS, MLP((32,)), RECIPE)
    refit = refit_config(config, {1: Spec(MLP((16,)), (1, 8, 8), 10)}.get)
    assert refit.model == MLP((16,))
    assert [step.label for step in refit.recipe] == ["train", "quantize"]
    assert refit.recipe[0].epochs == 2 * 3 + 2
    assert refit.recipe[1] == RECIPE[3]


def test_a_refit_keeps_what_stood_before_a_cut_and_trainings_that_compress():
    averaging, binarize = AverageFlips(), Binarize(epochs=4)
    recipe = (RECIPE[0], averaging, Clip(), RECIPE[1], RECIPE[2], binarize)
    config = TrialConfig(DIGITS, MLP((32,)), recipe)
    refit = refit_config(config, {3: Spec(MLP((16,)), (1, 8, 8), 10)}.get)
    assert refit.recipe == (Train(epochs=2 * 3 + 2), averaging, Clip(), binarize)


def test_without_a_cut_all_is_repeated_with_a_longer_training():
    config = TrialConfig(DIGITS, MLP((32,)), (RECIPE[0], RECIPE[3]))
    refit = refit_config(config, no_cut)
    assert refit == replace(config, recipe=(Train(epochs=6), RECIPE[3]))


def test_a_shape_that_is_gone_from_the_store_is_cut_again():
    config = TrialConfig(DIGITS, MLP((32,)), RECIPE)
    refit = refit_config(config, lambda position: None)
    assert refit == replace(config, recipe=(Train(epochs=6), *RECIPE[1:]))


def test_what_never_trains_has_no_refit():
    assert refit_config(TrialConfig(DIGITS, MLP((32,)), (Quantize(),)), no_cut) is None


@pytest.fixture
def study(tmp_path):
    return create(
        tmp_path / "s", Settings("s", "", NAMES, (), {}, 0, "tpe", AXES, 1.0), "text", {"": b""}
    )


def test_members_that_hold_most_come_first_and_a_killed_refit_runs_again(study, store, tmp_path):
    config = TrialConfig(DIGITS, MLP((16,)), (Train(epochs=1), Prune(0.5), Quantize()))
    _, made = drive(config, store)
    two = [TrialId(0, Kind.REFIT), TrialId(2, Kind.REFIT)]
    figures = {0: (0.9, 50_000), 1: (0.8, 500), 2: (0.81, 49_000)}
    front = [
        TrialRecord(
            TrialId(number),
            {},
            {},
            result=replace(
                made, measurement=Measurement({"accuracy": accuracy}, size_bytes, 1.0, 1.0)
            ),
        )
        for number, (accuracy, size_bytes) in figures.items()
    ]

    def refitter():
        return Refitter(
            Study(study.folder), Immediately("study"), needed_keys, lambda r: config, store.read
        )

    first = refitter()
    assert not first.is_over()
    first.line_up(front)
    record = first.next()
    assert str(record.id) == "0001-refit"
    assert decode(json.loads(record.config)).model == MLP((8,))
    first.end(record.id, TrialResult(Status.REJECTED, reason="why"))
    left = first.next()
    assert first.next() is None, "it would train what the one before it trains"
    again = refitter()
    again.line_up(front)
    assert again.next() == replace(left, is_resumed=True)
    assert again.next() is None and not again.is_over()
    again.end(left.id, TrialResult(Status.STOPPED, reason="its time was up"))
    other = again.next()
    assert {other.id, left.id} == set(two)
    known = Study(study.folder).refits()
    assert [r.id for r in known if r.result is None] == [other.id]
    hurried = refitter()
    hurried.line_up(
        [replace(front[0], id=TrialId(7), result=replace(front[0].result, seconds=9.0))]
    )
    resumed = []
    while (record := hurried.next(5.0)) is not None:
        resumed.append(record.id)
        hurried.end(record.id, TrialResult(Status.REJECTED, reason="why"))
    assert sorted(resumed) == two, "what was stopped has a second try"
    assert hurried.is_over()
    assert Study(study.folder).records() == []
