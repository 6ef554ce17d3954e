"""Full Fashion-MNIST, one network of 78,000 parameters: test accuracy, and the loop's own cost.

python tests/benchmarks/training.py [FOLDER_OF_IDX_FILES] [--seeds 3] [--epochs 15] [--pairs 5]

The cost is the ratio of epochs, in turn, of `Train` and of the same training written by hand, both
in a process prepared as a trial's is. It is taken on random images, as many as Fashion-MNIST has
and of their shape; the first pair, in which both set up, is told and does not count. Without a
folder, with --seeds 0 or with --pairs 0 that half of the results stays as an earlier run left it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import report_file
import torch
from torch.nn import functional as F

from automl import quality
from automl.data import dataset
from automl.data.dataset import Data, Dataset
from automl.data.idx import FashionMNIST
from automl.data.raw_dataset import RawDataset
from automl.measure.measurement import measure, timer
from automl.models.family import count_parameters, untrained
from automl.models.resnet import ResNet
from automl.recipe import Context
from automl.space.space import TrialConfig
from automl.store import Store
from automl.training import cpu_process
from automl.training.augmentation import Flip, Shift
from automl.training.loop import Train
from automl.training.optimizers import Nesterov
from automl.training.schedules import Fixed, OneCycle
from automl.trial.checkpoints import Checkpoints
from automl.trial.trial import run

RESULTS = report_file.path("training")
PEAK, BATCH, WEIGHT_DECAY = 0.15, 128, 5e-4
NETWORK = ResNet()
NUM_ROWS, NUM_TEST = 70_000, 10_000
CACHE = Path(tempfile.gettempdir()) / "automl-benchmark-cache"


@dataclass(frozen=True)
class RandomImages(Dataset):
    """Random images and classes, as many as Fashion-MNIST has."""

    def load(self) -> RawDataset:
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (NUM_ROWS, 28, 28), dtype=np.uint8)
        classes = tuple("0123456789")
        return RawDataset(images, rng.integers(0, 10, NUM_ROWS), (1, 28, 28), classes, NUM_TEST)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=str, nargs="?")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    cpu_process.prepare(1)
    seeds = range(given.seeds if given.root else 0)
    with ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:
        work = [pool.submit(trial, FashionMNIST(given.root), seed, given.epochs) for seed in seeds]
        trials = [future.result() for future in work]
    data = dataset.load(RandomImages(), 0, CACHE)
    pairs = paired_epochs(data, given.pairs)
    before = report_file.parts(RESULTS)
    trials, pairs = trials or before["trials"], pairs or before["epoch_pairs"]
    accuracies = [found["test_accuracy"] for found in trials]
    ratio = statistics.median(ours / theirs for ours, theirs in pairs[1:])
    summary = {
        "dataset": "Fashion-MNIST",
        "parameters": count_parameters(untrained(NETWORK, data.info)),
        "epochs": given.epochs,
        "median_test_accuracy": statistics.median(accuracies),
        "epoch_time_over_hand_written": ratio,
    }
    report_file.write(RESULTS, {"summary": summary, "trials": trials, "epoch_pairs": pairs})
    print(json.dumps(summary))


def step(epochs: int) -> Train:
    return Train(
        Nesterov(weight_decay=WEIGHT_DECAY),
        OneCycle(PEAK),
        Fixed(BATCH),
        epochs=epochs,
        augmentations=(Flip(), Shift(2)),
        channels_last=True,
    )


def trial(data: FashionMNIST, seed: int, epochs: int) -> dict[str, Any]:
    """One whole trial; its accuracy on the untouched test rows through its exported file."""
    cpu_process.prepare(1)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        running = run(
            TrialConfig(data, NETWORK, (step(epochs),), seed),
            store,
            timer(),
            CACHE,
        )
        seconds, started = [], time.thread_time()
        while True:
            try:
                report = next(running)
            except StopIteration as end:
                result = end.value
                break
            seconds.append(time.thread_time() - started)
            started = time.thread_time()
            print(f"seed {seed} epoch {report.epoch}: {report.metrics}", flush=True)
        rows = dataset.test_split(data, seed, CACHE)
        file = store.read(result.key, "model.onnx")
        assert file is not None
        tested = measure(file, rows.inputs, rows.targets)
    return {
        "seed": seed,
        "test_accuracy": tested.quality["accuracy"],
        "size_bytes": tested.size_bytes,
        "epoch_cpu_seconds": statistics.median(seconds),
    }


def paired_epochs(data: Data, pairs: int) -> list[tuple[float, float]]:
    """CPU seconds of an epoch of ours, and of one by hand, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Store(folder), "step")
        context = Context(data, 0, "cpu", lambda label: None, checkpoints)  # type: ignore[arg-type, return-value]
        torch.manual_seed(0)
        loops = step(15).run(untrained(NETWORK, data.info), context), by_hand(data, 15)
        times = []
        for number in range(pairs):
            pair = []
            for loop in loops:
                started = time.thread_time()
                next(loop)
                pair.append(time.thread_time() - started)
            print(f"pair {number}: ours {pair[0]:.1f} s, by hand {pair[1]:.1f} s", flush=True)
            times.append((pair[0], pair[1]))
        return times


def by_hand(data: Data, epochs: int) -> Iterator[float]:
    """The same training as plain torch, a validation accuracy for each epoch."""
    torch.manual_seed(0)
    model = untrained(NETWORK, data.info).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean, std = data.info.inputs.mean[0], data.info.inputs.std[0]
    images, labels = torch.from_numpy(data.train.inputs), torch.from_numpy(data.train.targets)
    held, truth = torch.from_numpy(data.validation.inputs), data.validation.targets
    optimizer = torch.optim.SGD(
        model.parameters(), PEAK, momentum=0.9, weight_decay=WEIGHT_DECAY, nesterov=True
    )
    steps = epochs * (-(-len(images) // BATCH))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, steps, cycle_momentum=False)
    for _ in range(epochs):
        model.train()
        for rows in torch.split(torch.randperm(len(images)), BATCH):
            batch = images[rows].float()[:, None]
            flip = torch.rand(len(rows)) < 0.5
            batch = torch.where(flip[:, None, None, None], batch.flip(-1), batch)
            down, across = torch.randint(0, 5, (2, len(rows), 1))
            padded = F.pad(batch, (2, 2, 2, 2))
            places = torch.arange(28)
            padded = padded.gather(2, (places + down)[:, None, :, None].expand(-1, 1, 28, 32))
            batch = padded.gather(3, (places + across)[:, None, None, :].expand(-1, 1, 28, 28))
            batch = ((batch - mean) / std).contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(model(batch), labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.inference_mode():
            outputs = [model((b.float()[:, None] - mean) / std) for b in torch.split(held, 512)]
        yield quality.Accuracy()(torch.cat(outputs).numpy(), truth)


if __name__ == "__main__":
    main()
