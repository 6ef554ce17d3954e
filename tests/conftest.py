"""What tests share: one Ray per process, a small trial config, a driver for trials."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.data import dataset
from automl.data.dataset import Data, Dataset
from automl.data.sklearn import Sklearn
from automl.measure.measurement import measure
from automl.models.family import Model, Network, Spec
from automl.models.mlp import MLP
from automl.recipe import Context, Report
from automl.result import TrialResult
from automl.space import TrialConfig
from automl.store import Store
from automl.training.loop import Train
from automl.trial import Checkpoints, run

torch.set_num_threads(1)
DIGITS = Sklearn("digits")
CACHE = tempfile.TemporaryDirectory(prefix="automl-cache-")
"""Where the tests of a process keep their datasets."""


def load(data: Dataset, seed: int = 0) -> Data:
    return dataset.load(data, seed, Path(CACHE.name))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def context(store: Store) -> Context:
    """What a step gets on digits, with no teacher."""

    def no_teacher(label: str) -> Network:
        raise AssertionError(label)

    return Context(load(DIGITS), 0, "cpu", no_teacher, Checkpoints(store, "step"))


@pytest.fixture
def build() -> Callable[[Model], Network]:
    """An untrained network for digits, the same at every call."""

    def build(model: Model) -> Network:
        torch.manual_seed(0)
        return Network(Spec(model, (1, 8, 8), 10))

    return build


@pytest.fixture
def config() -> TrialConfig:
    """The cheapest trial with every kind of step."""
    recipe = (Train(epochs=3), Prune(0.5), Train(label="fine_tune", epochs=2), Quantize())
    return TrialConfig(DIGITS, MLP((32,)), recipe)


def drive(config: TrialConfig, store: Store, **options: Any) -> tuple[list[Report], TrialResult]:
    """Run a trial to its end in this process."""

    def judge(file: bytes, rows: Any) -> Any:
        return measure(file, rows.inputs, rows.targets)

    trial, reports = run(config, store, judge, Path(CACHE.name), **options), []
    while True:
        try:
            reports.append(next(trial))
        except StopIteration as end:
            return reports, end.value


def finish(generator: Any) -> Any:
    """A generator's return value."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One Ray for all tests of the process."""
    from automl.cluster import session

    with session.connected(None):
        yield


@pytest.fixture(scope="session")
def searched(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small finished search of digits, for all that only look at one."""
    from automl import api

    sets = {"recipe.train.epochs": "6", "recipe.fine_tune.epochs": "2"}
    return api.search("digits", trials=6, sets=sets, home=tmp_path_factory.mktemp("home"))
