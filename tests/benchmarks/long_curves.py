"""Learning curves of long trainings, recorded once for `long_tables.py` to read.

python tests/benchmarks/long_curves.py --mnist FOLDER --fashion FOLDER

Six sets, and for each the perceptrons of a grid (shape, batch size, rate, weight decay, dropout),
really trained over 5, 10, 20, 40 and 80 epochs, each length with a warmed-up cosine of its own.
Networks of one shape and batch size are trained side by side as one larger product, each on its
own loss: about eight minutes on one core in all. Of each epoch the number of validation rows
answered right is kept, in `results/long_curves.json.xz`. Curves that are there already are not
trained again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import lzma
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from cells import CACHE
from numpy.typing import NDArray
from sklearn.datasets import make_classification, make_gaussian_quantiles
from torch import Tensor
from torch.nn import functional

from automl.data import dataset
from automl.data.dataset import Dataset
from automl.data.idx import MNIST, FashionMNIST
from automl.data.sklearn import Sklearn
from automl.measure.machine import machine

FILE = Path(__file__).parent / "results" / "long_curves.json.xz"
LENGTHS = (5, 10, 20, 40, 80)
SHAPES = ((8,), (24,), (64,), (12, 12), (48, 48))
BATCH_SIZES = (32, 256)
RATES = (0.004, 0.016, 0.064, 0.256, 1.024)
WEIGHT_DECAYS = (0.0, 0.003)
DROPOUTS = (0.0, 0.3)
ALIKE = tuple(itertools.product(RATES, WEIGHT_DECAYS, DROPOUTS))
"""The trainings of one shape and batch size."""
TRAIN_ROWS, VALIDATION_ROWS = 1500, 1000
WRONG = 0.2
"""The share of training labels of the harder digits that are drawn anew."""


@dataclass(frozen=True)
class Rows:
    """Standardised training and validation rows (rows, features), and their classes (rows,)."""

    inputs: Tensor
    targets: Tensor
    validation_inputs: Tensor
    validation_targets: Tensor

    @property
    def num_classes(self) -> int:
        return int(self.targets.max()) + 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mnist", required=True)
    parser.add_argument("--fashion", required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    sets: dict[str, Callable[[], Rows]] = {
        "fashion": lambda: pictures(FashionMNIST(given.fashion)),
        "mnist": lambda: pictures(MNIST(given.mnist)),
        "digits": lambda: pictures(Sklearn("digits")),
        "digits_wrong": lambda: with_wrong_labels(pictures(Sklearn("digits"))),
        "shells": lambda: made(
            *make_gaussian_quantiles(
                n_samples=TRAIN_ROWS + VALIDATION_ROWS, n_features=8, n_classes=4, random_state=0
            )
        ),
        "clusters": lambda: made(
            *make_classification(
                TRAIN_ROWS + VALIDATION_ROWS, 20, n_informative=10, n_redundant=0, n_classes=5,
                n_clusters_per_class=4, class_sep=1.5, flip_y=0.02, random_state=0,
            )
        ),
    }  # fmt: skip
    report: dict[str, Any] = {"sets": {}}
    if FILE.exists():
        report = json.loads(lzma.decompress(FILE.read_bytes()))
    for name, rows_of in sets.items():
        started = time.process_time()
        known = report["sets"].get(name, {"right": {}})
        report["sets"][name] = recorded(rows_of(), known["right"])
        report |= {"made_on": {**machine(), "torch": torch.__version__}}
        report |= {"date": time.strftime("%Y-%m-%d")}
        FILE.write_bytes(lzma.compress(json.dumps(report, separators=(",", ":")).encode()))
        print(name, f"{time.process_time() - started:.0f} s", flush=True)


def pictures(config: Dataset) -> Rows:
    """Rows of pictures, those of 28 pixels a side at half of their size."""
    data = dataset.load(config, 0, CACHE)
    train, validation = (
        torch.tensor(np.asarray(part.inputs[:count]), dtype=torch.float32)
        for part, count in ((data.train, TRAIN_ROWS), (data.validation, VALIDATION_ROWS))
    )
    if train[0].numel() == 28 * 28:
        train, validation = (
            functional.avg_pool2d(pixels.view(-1, 1, 28, 28), 2) for pixels in (train, validation)
        )
    return scaled(
        train.flatten(1),
        torch.tensor(data.train.targets[:TRAIN_ROWS]).long(),
        validation.flatten(1),
        torch.tensor(data.validation.targets[:VALIDATION_ROWS]).long(),
    )


def made(inputs: NDArray[Any], targets: NDArray[Any]) -> Rows:
    """Rows that are drawn, in an order of their own."""
    order = np.random.default_rng(0).permutation(len(inputs))
    numbers = torch.tensor(inputs[order], dtype=torch.float32)
    classes = torch.tensor(targets[order]).long()
    rows = slice(None, TRAIN_ROWS), slice(TRAIN_ROWS, None)
    return scaled(numbers[rows[0]], classes[rows[0]], numbers[rows[1]], classes[rows[1]])


def with_wrong_labels(rows: Rows) -> Rows:
    generator = torch.Generator().manual_seed(0)
    is_wrong = torch.rand(len(rows.targets), generator=generator) < WRONG
    drawn = torch.randint(rows.num_classes, rows.targets.shape, generator=generator)
    targets = torch.where(is_wrong, drawn, rows.targets)
    return Rows(rows.inputs, targets, rows.validation_inputs, rows.validation_targets)


def scaled(inputs: Tensor, targets: Tensor, validation: Tensor, classes: Tensor) -> Rows:
    mean, std = inputs.mean(0), inputs.std(0).clamp(min=0.1 * float(inputs.std()))
    return Rows((inputs - mean) / std, targets, (validation - mean) / std, classes)


def recorded(rows: Rows, known: dict[str, list[list[int]]]) -> dict[str, Any]:
    """The curves of a set, and what `long_tables.py` needs to know beside them."""
    curves = {}
    for shape, batch_size, epochs in itertools.product(SHAPES, BATCH_SIZES, LENGTHS):
        name = f"{'x'.join(map(str, shape))}.{batch_size}.{epochs}"
        curves[name] = known.get(name) or train(rows, shape, batch_size, epochs)
    return {
        "num_features": rows.inputs.shape[1],
        "num_classes": rows.num_classes,
        "num_validation": len(rows.validation_targets),
        "chance": int(rows.validation_targets.bincount().max()),
        "right": curves,
    }


def train(rows: Rows, shape: tuple[int, ...], batch_size: int, epochs: int) -> list[list[int]]:
    """The validation rows answered right after each epoch, for each of the trainings ALIKE."""
    generator = torch.Generator().manual_seed(0)
    widths = (rows.inputs.shape[1], *shape, rows.num_classes)
    weights = drawn_weights(widths, generator)
    momenta = [torch.zeros_like(weight) for weight in weights]
    rates, decays, dropouts = (torch.tensor(values).view(-1, 1, 1) for values in zip(*ALIKE))
    steps = -(-len(rows.inputs) // batch_size)
    right, step = [], 0
    for _ in range(epochs):
        order = torch.randperm(len(rows.inputs), generator=generator)
        for batch in order.split(batch_size):
            logits = answers(weights, rows.inputs[batch], dropouts, generator)
            targets = rows.targets[batch].expand(len(ALIKE), -1)
            loss = functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
            gradients = torch.autograd.grad(loss.mean(1).sum(), weights)
            rate = rates * share_of_peak(step / (steps * epochs))
            step += 1
            with torch.no_grad():
                for weight, momentum, gradient in zip(weights, momenta, gradients):
                    momentum.mul_(0.9).add_(gradient)
                    weight.mul_(1 - rate * decays).sub_(rate * (gradient + 0.9 * momentum))
        with torch.no_grad():
            found = answers(weights, rows.validation_inputs, None, generator).argmax(2)
        right.append((found == rows.validation_targets).sum(1).tolist())
    return [list(curve) for curve in zip(*right)]


def share_of_peak(progress: float) -> float:
    """The rate's share of its peak: linear up to a tenth of the training, then a cosine."""
    if progress < 0.1:
        return 10 * progress + 0.01
    return 0.5 + 0.5 * float(np.cos(np.pi * (progress - 0.1) / 0.9))


def drawn_weights(widths: tuple[int, ...], generator: torch.Generator) -> list[Tensor]:
    """Each layer's weights (trainings, from, to) and biases (trainings, 1, to), by He's rule."""
    found = []
    for before, after in itertools.pairwise(widths):
        drawn = torch.randn(1, before, after, generator=generator) * (2 / before) ** 0.5
        for values in (drawn, torch.zeros(1, 1, after)):
            found.append(values.repeat(len(ALIKE), 1, 1).requires_grad_())
    return found


def answers(
    weights: list[Tensor], inputs: Tensor, dropouts: Tensor | None, generator: torch.Generator
) -> Tensor:
    """Logits (trainings, rows, classes)."""
    found = inputs.expand(len(ALIKE), -1, -1)
    for layer in range(0, len(weights), 2):
        if layer:
            found = found.relu()
            if dropouts is not None:
                kept = torch.rand(found.shape, generator=generator) >= dropouts
                found = found * kept / (1 - dropouts)
        found = torch.baddbmm(weights[layer + 1], found, weights[layer])
    return found


if __name__ == "__main__":
    main()
