import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers.undelivered import undelivered

from automl.config import choices, import_choices
from automl.engine import api
from automl.store import Store
from automl.training.parallel import Parallelism

import_choices()
OTHERS = [name for name in choices(Parallelism) if name not in ("SingleDevice", "DataParallel")]
WITNESSED = """
import os
from dataclasses import dataclass
from pathlib import Path
import torch.distributed as dist
from automl import Quantize
from automl import Sklearn
from automl import ConvNet
from automl import Space, TrialConfig
from automl import Augmentation
from automl import Train
from automl import Fixed

@dataclass(frozen=True)
class Witness(Augmentation):
    folder: str

    def __call__(self, rows):
        name = f"{dist.get_rank()} of {dist.get_world_size()}"
        (Path(self.folder) / name).write_text(str(os.getpid()))
        return rows

witnesses = (Witness("FOLDER"),)
train = Train(learning_rate=Fixed(0.01), epochs=EPOCHS, augmentations=witnesses)
space = Space(
    TrialConfig(Sklearn("digits"), ConvNet((8, 16)), (train, Quantize(8))),
    objectives=("accuracy", "size_bytes"),
)
"""


def test_a_trial_over_two_workers_is_compressed_exported_and_measured(ray_session, tmp_path):
    sets = {
        "model": "ConvNet",
        "recipe.train.epochs": "4",
        "recipe.shrink": "None",
        "recipe.quantize": "Quantize",
        "recipe.quantize.bits": "8",
    }
    options = {"trials": 1, "refit_minutes": 0, "workers_per_trial": 2, "sets": sets}
    with undelivered():
        found = api.search("digits", home=tmp_path, **options)
    (record,) = found.study.records()
    config = found.config(record)
    assert config.recipe[0].parallelism.num_workers == 2
    assert (record.result.status, record.result.reason) == ("complete", "")
    assert record.values["accuracy"] > 0.8
    file = Store(found.home.store).read(record.result.key, "model.onnx")
    assert record.values["size_bytes"] == len(file)


def write_space(folder, epochs):
    text = WITNESSED.replace("FOLDER", str(folder)).replace("EPOCHS", str(epochs))
    (folder / "space.py").write_text(text)
    return folder / "space.py"


@pytest.mark.slow
def test_a_killed_worker_costs_the_epoch_it_was_in(ray_session, tmp_path):
    space, home = write_space(tmp_path, epochs=12), tmp_path / "home"
    options = {"workers_per_trial": 2, "refit_minutes": 0, "home": home}
    with ThreadPoolExecutor(1) as pool:
        searching = pool.submit(api.search, space, trials=1, **options)
        until = time.monotonic() + 240
        while not list(home.glob("store/**/*@3*")):
            assert time.monotonic() < until and not searching.done()
            time.sleep(0.05)
        os.kill(int((tmp_path / "1 of 2").read_text()), signal.SIGKILL)
        (record,) = searching.result().study.records()
    assert (record.result.status, record.result.reason) == ("complete", "")
    assert record.result.notes[0].startswith("a worker was lost, all began again")
    assert record.values["accuracy"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_every_parallelism_runs_from_the_command_on_two_ranks(ray_session, tmp_path, name):
    space = write_space(tmp_path, epochs=8)
    options = {"workers_per_trial": 2, "parallelism": name, "refit_minutes": 0}
    found = api.search(space, trials=1, home=tmp_path / "home", **options)
    (record,) = found.study.records()
    assert (record.result.status, record.result.reason) == ("complete", "")
    assert record.values["accuracy"] > 0.8
    assert {file.name for file in tmp_path.glob("* of *")} == {"0 of 2", "1 of 2"}
    file = Store(found.home.store).read(record.result.key, "model.onnx")
    assert record.values["size_bytes"] == len(file)


@pytest.mark.slow
def test_a_recipe_that_diverges_on_the_workers_fails_with_its_reason(ray_session, tmp_path):
    sets = {
        "model": "MLP",
        "recipe.train.learning_rate": "Fixed",
        "recipe.train.learning_rate.Fixed.value": "1e30",
        "recipe.train.optimizer": "Nesterov",
        "recipe.shrink": "None",
    }
    options = {"trials": 1, "refit_minutes": 0, "workers_per_trial": 2, "sets": sets}
    with undelivered():
        found = api.search("digits", home=tmp_path, **options)
    (record,) = found.study.records()
    assert record.result.status == "failed"
    assert record.result.reason.startswith("ArithmeticError: the loss of step 'train' is")
