"""Real searches with little time for trainings that are slow."""

import os
import signal

import pytest
from helpers.search_process import members, start, wait_for  # noqa: F401

from automl.engine import api
from automl.engine.searches import open_study
from automl.home import Home
from automl.trial.result import Status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SPACE = '''
import time
from dataclasses import dataclass
from pathlib import Path

from automl import (
    MLP, Augmentation, Fixed, Float, Int, Prune, Quantize, Sklearn, Space, Step, Train, TrialConfig
)


@dataclass(frozen=True)
class Waits(Augmentation):
    """Makes each batch slow."""

    def __call__(self, rows):
        time.sleep(0.1)
        return rows


@dataclass(frozen=True)
class Lingers(Step):
    """A last step that takes a while, and tells that it has begun."""

    marker: str = ""

    def apply(self, network, context):
        if self.marker:
            Path(self.marker).touch()
            time.sleep(2)
        return network


def train(label, epochs):
    return Train(label=label, epochs=epochs, batch_size=Fixed(32), augmentations=(Waits(),))


space = Space(
    TrialConfig(
        Sklearn("digits"),
        MLP((Int(8, 64),)),
        (
            train("train", 60),
            Prune(Float(0.1, 0.6)),
            train("fine_tune", 20),
            Quantize(),
            Lingers("MARKER"),
        ),
    ),
    objectives=("accuracy", "size_bytes"),
)
'''


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "slow_epochs.py"
    path.write_text(SPACE.replace("MARKER", str(tmp_path / "finishing")))
    return path


def test_a_search_ends_with_models_though_none_can_be_trained_in_full(ray_session, space, tmp_path):
    """A trial's 80 epochs take more than four minutes."""
    search = api.search(space, minutes=1.0, home=tmp_path / "home")
    ended = [record for record in search.study.records() if record.is_complete]
    assert len(ended) >= 3 and not search.failed
    assert all(record.result.shortened for record in ended)
    first = min(ended, key=lambda record: record.ended)
    assert "of 60 epochs" in first.result.shortened
    recipe = search.config(first).recipe
    assert recipe[0].epochs < 60 and recipe[2].epochs < 20
    assert search.summary().front[0].shortened


def test_a_search_killed_while_a_trial_is_finished_goes_on(start, space, tmp_path):  # noqa: F811
    home, marker = tmp_path / "home", tmp_path / "finishing"
    killed = start("search", str(space), "--name", "s", "--minutes", "1", home=home)
    wait_for(marker.exists)
    for pid in members(killed.pid):
        os.kill(pid, signal.SIGKILL)
    killed.wait()
    study = open_study(Home(home), "s")
    left = [record.id for record in study.records() if record.result is None]
    assert left
    resumed = start("resume", "s", home=home)
    resumed.stderr.read()
    assert resumed.wait() == 0
    records = open_study(Home(home), "s").records()
    assert [record.id.number for record in records] == list(range(len(records)))
    assert all(record.result is not None for record in records)
    states = {record.result.status for record in records if record.id in left}
    assert states <= {Status.COMPLETE, Status.STOPPED} and Status.COMPLETE in states
