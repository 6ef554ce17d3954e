"""Small learnable data of the zoo: images (3, 16, 16), series (8, 32), texts of up to 64 bytes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from automl.data.dataset import Dataset
from automl.data.npz import Npz
from automl.data.text import Text

SHAPES = {"images": (3, 16, 16), "series": (8, 32)}
LENGTH = 64
CLASSES = 8
ROWS = 1000
"""Of which three fifths are for training."""

NOISE = 0.9


def dataset(kind: str, folder: Path) -> Dataset:
    """The data of one kind, written to a folder where it is not there yet."""
    if kind == "text":
        path = folder / "text.csv"
        if not path.exists():
            _write_texts(path)
        return Text(str(path), LENGTH)
    path = folder / f"{kind}.npz"
    if not path.exists():
        _write_arrays(path, SHAPES[kind])
    return Npz(str(path))


def _write_arrays(path: Path, shape: tuple[int, ...]) -> None:
    """Rows around a smooth mean of their class, so that convolutions and pooling see something."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, CLASSES, ROWS)
    means = rng.normal(size=(CLASSES, *shape))
    for _ in range(3):
        means = (means + np.roll(means, 1, -1) + np.roll(means, -1, -1)) / 1.7
    level = rng.normal(size=(CLASSES, shape[0], *[1] * (len(shape) - 1)))
    inputs = (means + level)[targets] + NOISE * rng.normal(size=(ROWS, *shape))
    np.savez(path, inputs=inputs.astype(np.float32), targets=targets)


def _write_texts(path: Path) -> None:
    """Texts of letters that each class has in shares of its own."""
    rng = np.random.default_rng(0)
    shares = [rng.dirichlet(np.ones(26) * 0.3) for _ in range(CLASSES)]
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["text", "label"])
        for target in rng.integers(0, CLASSES, ROWS):
            letters = rng.choice(26, rng.integers(20, LENGTH), p=shares[target])
            out.writerow(["".join(chr(97 + letter) for letter in letters), f"c{target}"])
