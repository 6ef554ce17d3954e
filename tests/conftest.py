"""What tests share: one Ray per process, a small trial config, a driver for trials."""

from __future__ import annotations

import functools
import itertools
import os
import re

from helpers.trials import DIGITS, load, study_of

os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec

# Its plugin for pytest imports it at the end, else, and warns after an export, which has objects
# left out of garbage collections.
import hypothesis  # noqa: F401
import pytest
import torch

from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.models.family import ModelFamily, Network, Spec
from automl.models.mlp import MLP
from automl.recipe import Context
from automl.space.space import TrialConfig
from automl.store import Store
from automl.training.loop import Train
from automl.trial.checkpoints import Checkpoints

torch.set_num_threads(1)

ROOT = Path(__file__).parents[1]

SHARED = {
    "cluster": ("ray_session", "searched", "search_process"),
    "study": ("studied", "explained"),
}
"""Names of what takes half a minute to make, by the process that makes it: files whose tests take
or import one of them share that process. So do all files of tests/cluster."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have several processes share the tests by files; what starts clusters stays with one."""
    from xdist.scheduler import LoadFileScheduling

    class ByFiles(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid.partition("::")[0])

    return ByFiles(config, log)


@functools.cache
def group(path: str) -> str:
    """The name of the files that are run one after the other with this one, itself included."""
    file = ROOT / path
    if file.parent.name == "cluster":
        return "cluster"
    taken = " ".join(re.findall(r"^(?:def \w+\(|from |import )(.*)", file.read_text(), re.M))
    names = {*re.findall(r"\w+", taken)}
    return next((shared for shared, own in SHARED.items() if names.intersection(own)), path)


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
def build() -> Callable[[ModelFamily], Network]:
    """An untrained network for digits, the same at every call."""

    def build(model: ModelFamily) -> Network:
        torch.manual_seed(0)
        return Network(Spec(model, (1, 8, 8), 10))

    return build


@pytest.fixture
def config() -> TrialConfig:
    """The cheapest trial with every kind of step."""
    recipe = (Train(epochs=3), Prune(0.5), Train(label="fine_tune", epochs=2), Quantize())
    return TrialConfig(DIGITS, MLP((32,)), recipe)


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Metrics and other classes that a test defines are gone after it."""
    from automl import quality
    from automl.config import Config, import_choices

    import_choices()
    metrics, registered = dict(quality.METRICS), dict(Config.registered)
    yield
    for known, before in ((quality.METRICS, metrics), (Config.registered, registered)):
        for name in known.keys() - before.keys():
            del known[name]


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One Ray for all tests of the process."""
    from automl.cluster import session

    with session.connected(None):
        yield


@pytest.fixture(scope="session")
def searched(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small finished search of digits, for all that only look at one."""
    from automl.engine import api

    sets = {"recipe.train.epochs": "6", "recipe.fine_tune.epochs": "2"}
    return api.search("digits", trials=6, sets=sets, home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small study of digits, drawn and run in this process: no Ray, no MLflow."""
    fixed = {"recipe.train.epochs": "2", "recipe.fine_tune.epochs": "1"}
    return study_of("digits", 24, fixed, tmp_path_factory.mktemp("studied"))


@pytest.fixture(scope="session")
def explained(studied: Any) -> Any:
    """What `automl explain` finds of its longest recipe, the page, and what was said meanwhile."""
    complete = [r for r in studied.study.records() if r.result.status == "complete"]
    record = max(complete, key=lambda record: len(studied.config(record).recipe))
    said: list[str] = []
    page = studied.home.path / "explain.html"
    found = studied.explain(trial=record.trial_id, html=page, say=said.append)
    return found, page.read_text(), said


BUCKETS = itertools.count()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a bucket on a local S3 server."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    # What one server of a process was given, the next one has, too.
    name = f"automl-test-{next(BUCKETS)}"
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(name)
    yield f"s3://{name}"
    server.stop()
