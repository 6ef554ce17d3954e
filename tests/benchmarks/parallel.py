"""Every parallelism on digits, two gloo ranks: accuracy against one process, and what an
asynchronous parameter server gains where one rank is slow.

python tests/benchmarks/parallel.py [--small]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import report_file
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from automl.config import choices, import_choices
from automl.data import dataset
from automl.data.sklearn import Sklearn
from automl.models.convnet import ConvNet
from automl.models.family import untrained
from automl.recipe import Context
from automl.store import Store
from automl.training.augmentation import Augmentation
from automl.training.loop import Train
from automl.training.parallel import Parallelism, SingleDevice
from automl.training.parameter_server import ParameterServer
from automl.training.schedules import Fixed
from automl.trial.checkpoints import Checkpoints

CACHE = Path(tempfile.gettempdir()) / "automl-benchmark-cache"
RANKS, SLOW_SECONDS, STALENESS = 2, 0.1, 8


@dataclass(frozen=True)
class Slow(Augmentation):
    """Rank 1 takes longer for every batch."""

    def __call__(self, rows: Tensor) -> Tensor:
        if dist.is_initialized() and dist.get_rank() == 1:
            time.sleep(SLOW_SECONDS)
        return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    seeds, epochs = range(1 if small else 3), 5 if small else 20
    import_choices()
    modes = {name: mode() for name, mode in choices(Parallelism).items()}
    modes["ParameterServer, staleness 8"] = ParameterServer(RANKS, STALENESS)
    found = {
        name: [trained(mode, seed, epochs, slow=False) for seed in seeds]
        for name, mode in modes.items()
    }
    waiting = [trained(ParameterServer(RANKS), seed, 2, slow=True) for seed in seeds]
    going_on = [trained(ParameterServer(RANKS, STALENESS), seed, 2, slow=True) for seed in seeds]
    alone = statistics.mean(run["accuracy"] for run in found["SingleDevice"])
    summary: dict[str, Any] = {
        f"{name}.accuracy_minus_one_process": statistics.mean(r["accuracy"] for r in runs) - alone
        for name, runs in found.items()
        if name != "SingleDevice"
    }
    summary["one_process.accuracy"] = alone
    summary["slow_rank.seconds_synchronous_over_asynchronous"] = statistics.median(
        one["seconds"] / other["seconds"] for one, other in zip(waiting, going_on, strict=True)
    )
    stale = [
        run["max_staleness"]
        for runs in (going_on, found["ParameterServer, staleness 8"])
        for run in runs
    ]
    summary["max_staleness"], summary["staleness_bound"] = max(stale), STALENESS
    report = {
        "summary": summary,
        "epochs": epochs,
        "trainings": found,
        "slow_rank": {"synchronous": waiting, "asynchronous": going_on},
    }
    report_file.write(report_file.path("parallel", small), report)
    print(json.dumps(summary, indent=1))


def trained(mode: Parallelism, seed: int, epochs: int, slow: bool) -> dict[str, float]:
    """A training's accuracy on the validation rows, and its seconds without the processes'
    start."""
    dataset.load(Sklearn("digits"), seed, CACHE)
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(mode, SingleDevice):
            torch.set_num_threads(1)
            learn(mode, seed, epochs, slow, folder)
        else:
            mp.spawn(rank, (mode, seed, epochs, slow, folder), nprocs=RANKS)
        found: dict[str, float] = json.loads((Path(folder) / "found.json").read_text())
    print(type(mode).__name__, seed, found, flush=True)
    return found


def rank(index: int, mode: Parallelism, seed: int, epochs: int, slow: bool, folder: str) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/ranks", RANKS)
    dist.init_process_group("gloo", store=store, rank=index, world_size=RANKS)
    learn(mode, seed, epochs, slow, folder)
    dist.destroy_process_group()


def learn(mode: Parallelism, seed: int, epochs: int, slow: bool, folder: str) -> None:
    data = dataset.load(Sklearn("digits"), seed, CACHE)
    step = Train(
        batch_size=Fixed(64),
        epochs=epochs,
        parallelism=mode,
        augmentations=(Slow(),) if slow else (),
    )
    context = Context(data, seed, "cpu", None, Checkpoints(Store(folder), "step"))  # type: ignore[arg-type]
    torch.manual_seed(seed)
    running = step.run(untrained(ConvNet((16, 32)), data.info), context)
    started = time.monotonic()
    *_, last = running
    found = {"seconds": time.monotonic() - started, **last.metrics}
    if not dist.is_initialized() or dist.get_rank() == 0:
        (Path(folder) / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
