from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.trials import CACHE, drive, finish

from automl.compression.prune import Prune
from automl.models.mlp import MLP
from automl.recipe import Report
from automl.space.store_keys import prefix_keys
from automl.store import Store
from automl.training.loop import Train
from automl.trial import checkpoints
from automl.trial.checkpoints import Checkpoints
from automl.trial.trial import run

FILES = {"weights.safetensors": b"w", "optimizer.safetensors": b"o", "optimizer.json": b"{}"}


@pytest.fixture
def only_the_first(monkeypatch):
    """Every state is a large one, and rests for ever after its first write."""
    monkeypatch.setattr(checkpoints, "LARGE_BYTES", 0)
    monkeypatch.setattr(checkpoints, "REST", float("inf"))


def report(epoch):
    return Report("train", epoch, 9, {})


def save(kept, *epochs):
    """Save epochs; returns those whose files were made."""
    made = []
    for epoch in epochs:
        kept.save(report(epoch), lambda epoch=epoch: made.append(epoch) or FILES)
    return made


def test_an_older_writer_does_not_drop_a_newer_checkpoint(store):
    ahead, behind = Checkpoints(store, "key"), Checkpoints(store, "key")
    save(ahead, 5)
    save(behind, 3)
    assert ahead.load()[0] == 5


def test_small_states_are_kept_every_epoch(store):
    kept = Checkpoints(store, "key")
    assert save(kept, 1, 2, 3) == [1, 2, 3]
    assert store.starting_with("key@") == ["key@3"]


@pytest.mark.usefixtures("only_the_first")
def test_nothing_is_made_of_a_large_state_while_it_rests(store):
    kept = Checkpoints(store, "key")
    assert save(kept, 1, 2, 3) == [1]
    assert kept.load() == (1, FILES)
    # Loading what is kept forgets nothing of what this run has told since.
    assert kept.past == [report(1), report(2), report(3)]
    again = Checkpoints(store, "key")
    assert again.reports() == [report(1)]
    assert save(again, 2, 3) == [2]
    assert again.past == [report(1), report(2), report(3)]


def test_a_large_state_is_kept_again_when_it_has_rested(store, monkeypatch):
    monkeypatch.setattr(checkpoints, "LARGE_BYTES", 0)
    monkeypatch.setattr(checkpoints, "REST", 0)
    assert save(Checkpoints(store, "key"), 1, 2, 3) == [1, 2, 3]


@pytest.mark.usefixtures("only_the_first")
def test_a_trial_killed_between_two_kept_epochs_ends_as_if_never_killed(config, store, tmp_path):
    recipe = (Train(epochs=4), Prune(0.5, rounds=2, fine_tune_epochs=3))
    config, whole = replace(config, recipe=recipe), Store(str(tmp_path / "whole"))
    reports, result = drive(config, whole)
    for num_reports in (3, 6):
        killed = run(config, store, None, Path(CACHE.name))
        for _ in range(num_reports):
            next(killed)
        killed.close()
    again, resumed = drive(config, store, is_again=True)
    assert again == reports
    assert resumed.status == result.status == "complete"
    key = prefix_keys(config, "")[-1]
    assert store.read(key, "model.onnx") == whole.read(key, "model.onnx")


@pytest.mark.usefixtures("only_the_first")
def test_a_step_in_rounds_goes_on_from_the_round_that_is_kept(build, context):
    step, network = Prune(0.75, rounds=3, fine_tune_epochs=2), MLP((32, 32))
    whole = finish(step.run(build(network), context))
    told = list(context.checkpoints.past)
    for num_epochs in (1, 2, 3):
        fresh = replace(context, checkpoints=Checkpoints(context.checkpoints.store, "other"))
        killed = step.run(build(network), fresh)
        for _ in range(num_epochs):
            next(killed)
        killed.close()
    fresh = replace(context, checkpoints=Checkpoints(context.checkpoints.store, "other"))
    assert fresh.checkpoints.reports()
    again = finish(step.run(build(network), fresh))
    assert fresh.checkpoints.past == told
    state = whole.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in again.state_dict().items())
