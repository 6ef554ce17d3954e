"""Tables of long trainings: the accuracy after each epoch, and the bytes, of every row of a grid.

`recorded()` are the trainings of `long_curves.py`, over 5 to 80 epochs. `lcbench(FILE)` are
LCBench's, over 52 epochs, as the surrogate model of YAHPO Gym foretells them
(https://arxiv.org/abs/2109.03670; FILE is `lcbench/model.onnx` of the repository
slds-lmu/yahpo_data, with the codes of its tasks as in `lcbench/encoding.json`). Bytes are four for
each parameter. Constants are chosen on one half of the sets and confirmed on the other.
"""

from __future__ import annotations

import itertools
import json
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from long_curves import BATCH_SIZES, DROPOUTS, FILE, LENGTHS, RATES, SHAPES, WEIGHT_DECAYS
from numpy.typing import NDArray

from automl import pareto
from automl.pareto import SPAN, Axis
from automl.space.domains import Domain, Int

CHOSEN_ON = ("fashion", "digits_wrong", "shells", "helena", "volkert", "segment")
"""The sets on which constants are chosen; on the others they are confirmed."""


@dataclass(frozen=True)
class Task:
    """A task of LCBench: its code in the surrogate model, and its numbers of inputs and classes."""

    code: int
    num_features: int
    num_classes: int


LCBENCH = {
    "helena": Task(17, 27, 100),
    "jannis": Task(18, 54, 4),
    "volkert": Task(19, 180, 10),
    "vehicle": Task(10, 18, 4),
    "segment": Task(30, 19, 7),
    "fashion_mnist": Task(31, 784, 10),
}
LCBENCH_EPOCHS = 52
LCBENCH_GRID: dict[str, tuple[float, ...]] = {
    "batch_size": (16, 64, 256),
    "learning_rate": (1e-4, 1e-3, 1e-2, 1e-1),
    "momentum": (0.3, 0.9),
    "weight_decay": (1e-5, 1e-2),
    "num_layers": (1, 2, 4),
    "max_units": (64, 128, 256, 1024),
    "max_dropout": (0.0, 0.5),
}
"""In the order of the surrogate model's inputs, of which the epoch is the first."""


@dataclass(frozen=True, eq=False)
class Table:
    """All rows: `accuracy` (rows, epochs) and `size_bytes` (rows,), by the grid's positions."""

    name: str
    source: str
    grid: Mapping[str, Sequence[Any]]
    accuracy: NDArray[np.float64]
    size_bytes: NDArray[np.int64]
    chance: float

    @property
    def is_chosen_on(self) -> bool:
        return self.source in CHOSEN_ON

    @property
    def epochs(self) -> int:
        return self.accuracy.shape[1]

    @property
    def domains(self) -> dict[str, Domain]:
        return {name: Int(0, len(choices) - 1) for name, choices in self.grid.items()}

    def row(self, positions: Mapping[str, int]) -> int:
        """The row of the grid's positions."""
        shape = [len(choices) for choices in self.grid.values()]
        return int(np.ravel_multi_index([positions[name] for name in self.grid], shape))

    def figures(self, row: int) -> dict[str, float]:
        """The figures of a row's model when it is trained."""
        accuracy, size = float(self.accuracy[row, -1]), float(self.size_bytes[row])
        return {"accuracy": accuracy, "size_bytes": size}

    @cached_property
    def axes(self) -> dict[str, Axis]:
        """Accuracy from the most frequent class's to perfect, bytes down by SPAN."""
        most = float(self.size_bytes.max())
        return {"accuracy": Axis(self.chance, 1.0), "size_bytes": Axis(most, most / SPAN, True)}

    @cached_property
    def whole(self) -> float:
        """The hypervolume of all rows."""
        return self.volume([self.figures(row) for row in range(len(self.accuracy))])

    def volume(self, points: list[dict[str, float]]) -> float:
        front = [points[i] for i in pareto.front_positions(points, list(self.axes))]
        return pareto.hypervolume(front, self.axes)


def recorded() -> list[Table]:
    """The tables of `long_curves.py`, one for each set and length."""
    sets = json.loads(lzma.decompress(FILE.read_bytes()))["sets"]
    grid = {
        "shape": SHAPES,
        "batch_size": BATCH_SIZES,
        "rate": RATES,
        "weight_decay": WEIGHT_DECAYS,
        "dropout": DROPOUTS,
    }
    tables = []
    for (name, found), epochs in itertools.product(sets.items(), LENGTHS):
        right = [
            curve
            for shape, batch_size in itertools.product(SHAPES, BATCH_SIZES)
            for curve in found["right"][f"{'x'.join(map(str, shape))}.{batch_size}.{epochs}"]
        ]
        accuracy = np.array(right) / found["num_validation"]
        sizes = [
            bytes_of((found["num_features"], *shape, found["num_classes"])) for shape in SHAPES
        ]
        size_bytes = np.repeat(sizes, len(right) // len(SHAPES))
        chance = found["chance"] / found["num_validation"]
        tables.append(Table(f"{name}_{epochs}", name, grid, accuracy, size_bytes, chance))
    return tables


def lcbench(file: Path) -> list[Table]:
    """The tables of LCBench, foretold by the surrogate model in a file."""
    session = onnxruntime.InferenceSession(file)
    return [_foretold(session, name, task) for name, task in LCBENCH.items()]


def bytes_of(widths: Sequence[int]) -> int:
    """The bytes of a perceptron's weights and biases."""
    return 4 * sum((before + 1) * after for before, after in itertools.pairwise(widths))


def _foretold(session: onnxruntime.InferenceSession, name: str, task: Task) -> Table:
    rows = np.array([*itertools.product(*LCBENCH_GRID.values())], np.float32)
    epochs = np.arange(1, LCBENCH_EPOCHS + 1, dtype=np.float32)
    inputs = np.empty((len(rows), len(epochs), rows.shape[1] + 1), np.float32)
    inputs[:, :, 0], inputs[:, :, 1:] = epochs, rows[:, None]
    flat = inputs.reshape(-1, inputs.shape[2])
    codes = np.full((len(flat), 1), task.code, np.int32)
    foretold = session.run(None, {"x_cat": codes, "x_cont": flat})[0]
    accuracy = foretold[:, 1].reshape(len(rows), len(epochs)).astype(np.float64) / 100
    names = list(LCBENCH_GRID)
    units, layers = rows[:, names.index("max_units")], rows[:, names.index("num_layers")]
    size_bytes = np.array(
        [bytes_of(_funnel(task, int(u), int(n))) for u, n in zip(units, layers, strict=True)]
    )
    chance = 1 / task.num_classes
    return Table(f"{name}_52", name, LCBENCH_GRID, accuracy.clip(0, 1), size_bytes, chance)


def _funnel(task: Task, max_units: int, num_layers: int) -> tuple[int, ...]:
    """Widths that fall evenly from the largest to the classes, as LCBench's networks have them."""
    widths = np.linspace(max_units, task.num_classes, num_layers + 1)[:-1]
    return task.num_features, *map(int, widths), task.num_classes
