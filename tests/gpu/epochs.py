"""Epochs of a ResNet, ours and by hand in plain torch, in turn: of rows in memory, and from disk.

PYTHONPATH=. python tests/gpu/epochs.py [--device cuda] [--small 60000] [--large 20000] [--pairs 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils import data as torch_data

from automl.data import dataset
from automl.data.arrays import chunks
from automl.data.dataset import Data
from automl.data.npz import Npz
from automl.models.family import untrained
from automl.models.resnet import ResNet, ResNetStage
from automl.recipe import Context
from automl.store import Store
from automl.training import feed
from automl.training.augmentation import Flip
from automl.training.loop import Train
from automl.training.optimizers import Nesterov
from automl.training.schedules import Fixed
from automl.trial.checkpoints import Checkpoints

SMALL, LARGE = (1, 28, 28), (3, 224, 224)
BATCH, RATE, EPOCHS, CLASSES = 128, 0.01, 100, 10
COLOURED = ResNet(tuple(ResNetStage(width, 2) for width in (32, 64, 128, 256)))


def in_memory(folder: Path, device: str, num_rows: int = 60_000, pairs: int = 3) -> dict[str, Any]:
    """Seconds of epochs over rows as large as Fashion-MNIST's, all held on the device."""
    return _compared(_rows(folder, SMALL, num_rows), SMALL, device, pairs, workers=None)


def from_disk(
    folder: Path,
    device: str,
    num_rows: int = 20_000,
    pairs: int = 3,
    shape: tuple[int, int, int] = LARGE,
    workers: int = 4,
) -> dict[str, Any]:
    """The same of rows that are mapped from a file, where by hand a `DataLoader` of so many workers
    gathers them; of 0, the process itself."""
    feed.held.cache_clear()
    with mock.patch.object(feed, "HELD_SHARE", 0.0):
        found = _compared(_rows(folder, shape, num_rows), shape, device, pairs, workers)
    feed.held.cache_clear()
    return found


def _rows(folder: Path, shape: tuple[int, int, int], num_rows: int) -> Data:
    """Random images of random classes, loaded as a user's folder of .npy files is."""
    source, rng = folder / f"rows-{shape[-1]}", np.random.default_rng(0)
    source.mkdir()
    size = (num_rows, *shape)
    inputs = np.lib.format.open_memmap(source / "inputs.npy", "w+", np.uint8, size)
    for rows in chunks(inputs):
        inputs[rows] = rng.integers(0, 256, inputs[rows].shape, np.uint8)
    np.save(source / "targets.npy", rng.integers(0, CLASSES, num_rows))
    return dataset.load(Npz(str(source)), 0, folder / "cache")


def _compared(
    data: Data, shape: tuple[int, int, int], device: str, pairs: int, workers: int | None
) -> dict[str, Any]:
    """Wall and CPU seconds of epochs of both, one after the other, after one that is not timed."""
    with tempfile.TemporaryDirectory() as folder:
        loops = {
            "ours": _ours(data, shape, device, folder),
            "by_hand": _by_hand(data, shape, device, workers),
        }
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
        for number in range(pairs + 1):
            for name, loop in loops.items():
                wall, cpu = time.perf_counter(), time.process_time()
                next(loop)
                if device != "cpu":
                    torch.cuda.synchronize()
                if number:
                    seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    ratios = {
        clock: statistics.median(
            ours[place] / theirs[place]
            for ours, theirs in zip(seconds["ours"], seconds["by_hand"], strict=True)
        )
        for place, clock in enumerate(("wall", "cpu"))
    }
    return {
        "rows": len(data.train.targets),
        "row": list(shape),
        "wall_over_hand_written": ratios["wall"],
        "cpu_over_hand_written": ratios["cpu"],
        "wall_and_cpu_seconds": seconds,
    }


def _family(shape: tuple[int, int, int]) -> ResNet:
    return ResNet() if shape == SMALL else COLOURED


def _ours(data: Data, shape: tuple[int, int, int], device: str, folder: str) -> Iterator[object]:
    """Epochs of `Train`, each with its validation."""
    checkpoints = Checkpoints(Store(folder), "step")
    context = Context(data, 0, device, None, checkpoints)  # type: ignore[arg-type]
    step = Train(
        *(Nesterov(), Fixed(RATE), Fixed(BATCH)),
        epochs=EPOCHS,
        augmentations=(Flip(),),
        channels_last=True,
    )
    torch.manual_seed(0)
    yield from step.run(untrained(_family(shape), data.info), context)


def _by_hand(
    data: Data, shape: tuple[int, int, int], device: str, workers: int | None
) -> Iterator[float]:
    """The same as somebody writes it who knows torch; rows from a loader of so many `workers`, or
    held on the device."""
    torch.manual_seed(0)
    model = untrained(_family(shape), data.info).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean, std = (
        torch.tensor(numbers, device=device)[:, None, None]
        for numbers in vars(data.info.inputs).values()
    )
    optimizer = torch.optim.SGD(model.parameters(), RATE, momentum=0.9, nesterov=True)
    batches = _held(data, device) if workers is None else _loaded(data, device, workers)
    held, truth = (
        torch.from_numpy(data.validation.inputs),
        torch.from_numpy(data.validation.targets),
    )
    held, truth = held.reshape(-1, *shape).to(device), truth.to(device)
    for epoch in batches:
        model.train()
        total = torch.zeros((), device=device)
        for images, labels in epoch:
            images = images.float().reshape(-1, *shape)
            flip = torch.rand(len(images), 1, 1, 1, device=device) < 0.5
            images = (torch.where(flip, images.flip(-1), images) - mean) / std
            loss = F.cross_entropy(
                model(images.contiguous(memory_format=torch.channels_last)), labels
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach() * len(labels)
        total.item()
        model.eval()
        with torch.inference_mode():
            outputs = [model((rows.float() - mean) / std) for rows in torch.split(held, 512)]
        yield (torch.cat(outputs).argmax(1) == truth).float().mean().item()


def _held(data: Data, device: str) -> Iterator[Iterator[tuple[torch.Tensor, torch.Tensor]]]:
    """Epochs of batches of rows that lie on the device."""
    images = torch.from_numpy(data.train.inputs[:]).to(device)
    labels = torch.from_numpy(data.train.targets).to(device)
    while True:
        order = torch.randperm(len(labels), device=device)
        yield ((images[rows], labels[rows]) for rows in torch.split(order, BATCH))


def _loaded(
    data: Data, device: str, workers: int
) -> Iterator[Iterator[tuple[torch.Tensor, torch.Tensor]]]:
    """Epochs of batches of torch's own loader, whose workers stay."""
    loader = torch_data.DataLoader(
        _Images(data),
        BATCH,
        shuffle=True,
        num_workers=workers,
        pin_memory=device != "cpu",
        persistent_workers=workers > 0,
    )
    while True:
        yield (
            (images.to(device, non_blocking=True), labels.to(device, non_blocking=True))
            for images, labels in loader
        )


class _Images(torch_data.Dataset[tuple[Any, int]]):
    def __init__(self, data: Data) -> None:
        self.images, self.labels = data.train.inputs, data.train.targets

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        return self.images[row], int(self.labels[row])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--small", type=int, default=60_000)
    parser.add_argument("--large", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, found = Path(folder), {}
        found["in_memory"] = in_memory(root, given.device, given.small, given.pairs)
        if given.large:
            found["from_disk"] = from_disk(root, given.device, given.large, given.pairs)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
