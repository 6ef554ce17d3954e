"""What each kind of distillation gains over plain training, at a short and a long budget.

python tests/benchmarks/distillation.py [FOLDER_OF_IDX_FILES] [--seeds 5]

On digits, and with a folder on 10,000 rows of Fashion-MNIST. The students are equal: trained from
scratch or, for "own_parent", pruned to that size from a trained network and fine-tuned. Accuracy
is of the exported file on all rows that were not learned from; a gain is the mean over seeds of
the differences to the same training by the labels alone. What was trained is kept: run again
after an interruption, it goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cells import CACHE, file_of

from automl import quality
from automl.compression.prune import Prune
from automl.data import dataset
from automl.data.dataset import Dataset
from automl.data.idx import FashionMNIST
from automl.data.raw_dataset import RawDataset
from automl.data.sklearn import Sklearn
from automl.measure.machine import machine
from automl.models.convnet import ConvNet
from automl.models.family import ModelFamily
from automl.recipe import Sibling, Step
from automl.runtimes import onnx
from automl.space.space import TrialConfig
from automl.training.distillation import Distill, Joint, Mutual
from automl.training.loop import Train
from automl.training.losses import Loss
from automl.training.schedules import Cosine, Warmup

RESULTS = Path(__file__).parent / "results" / "distillation.json"
STUDENT, PARENT = ConvNet((8, 16)), ConvNet((16, 32))
FIRST_SEED = 100
"""The losses' defaults were chosen on digits with seeds below it."""

BUDGETS = {
    "digits": {"short": 8, "long": 60, "teachers": 40},
    "fashion_10k": {"short": 8, "long": 30, "teachers": 20},
}
"""Epochs of the students, and of the teachers that are trained before them."""

COMPARED = {
    "sibling": "plain",
    "joint": "plain",
    "mutual": "plain",
    "own_parent": "plain_after_pruning",
}
"""Each kind, and the plain training that its gain is over."""


@dataclass(frozen=True)
class FashionSubset(FashionMNIST):
    """10,000 of the rows to learn from, and all test rows."""

    def load(self) -> RawDataset:
        whole = super().load()
        count = len(whole.targets) - whole.num_test
        chosen = np.random.default_rng(0).permutation(count)[:10_000]
        rows = np.concatenate([chosen, np.arange(count, len(whole.targets))])
        return replace(whole, inputs=whole.inputs[rows], targets=whole.targets[rows])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=str, nargs="?", default="")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    sets: dict[str, Dataset] = {"digits": Sklearn("digits")}
    if given.root:
        sets["fashion_10k"] = FashionSubset(given.root)
    seeds = range(FIRST_SEED, FIRST_SEED + given.seeds)
    rows = [
        {"data": name, "budget": budget, "epochs": BUDGETS[name][budget], **row}
        for name, data in sets.items()
        for budget in ("short", "long")
        for row in table(data, seeds, BUDGETS[name][budget], BUDGETS[name]["teachers"])
    ]
    gains = {f"{r['data']}_{r['budget']}_{r['kind']}_gain_points": r["gain_points"] for r in rows}
    summary = {"seeds": given.seeds, **gains}
    report = {"summary": summary, "rows": rows, "machine": machine()}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(summary))


def table(
    data: Dataset, seeds: range, epochs: int, teachers_epochs: int
) -> Iterator[dict[str, Any]]:
    """A row per kind, with its gain over the plain training of the same seeds."""
    found: dict[str, list[float]] = {}
    for seed in seeds:
        for kind, (model, recipe) in kinds(epochs, teachers_epochs).items():
            config = TrialConfig(data, model, recipe, seed)
            found.setdefault(kind, []).append(accuracy(config))
            print(f"{epochs} epochs, seed {seed}, {kind}: {found[kind][-1]} %", flush=True)
    for kind, plain in COMPARED.items():
        gains = [own - other for own, other in zip(found[kind], found[plain], strict=True)]
        error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else None
        yield {
            "kind": kind,
            "gain_points": round(statistics.mean(gains), 2),
            "standard_error": error and round(error, 2),
            "accuracies": found[kind],
            "plain_accuracies": found[plain],
        }


def kinds(epochs: int, teachers_epochs: int) -> dict[str, tuple[ModelFamily, tuple[Step, ...]]]:
    """A model and a recipe of each, the losses with their defaults."""
    larger = Sibling((train(teachers_epochs),), width_factor=4.0)
    cut = (train(teachers_epochs), Prune(0.5))
    return {
        "plain": (STUDENT, (train(epochs),)),
        "sibling": (STUDENT, (train(epochs, Distill(larger)),)),
        "joint": (STUDENT, (train(epochs, Joint()),)),
        "mutual": (STUDENT, (train(epochs, Mutual()),)),
        "plain_after_pruning": (PARENT, (*cut, train(epochs, label="fine_tune"))),
        "own_parent": (PARENT, (*cut, train(epochs, Distill("train"), label="fine_tune"))),
    }


def train(epochs: int, loss: Loss | None = None, label: str = "train") -> Train:
    return Train(learning_rate=Warmup(Cosine(0.01)), epochs=epochs, loss=loss, label=label)


def accuracy(config: TrialConfig) -> float:
    """Percent of the validation and test rows that the trial's exported file has right."""
    given = (config.dataset, config.seed, CACHE)
    parts = dataset.load(*given).validation, dataset.test_split(*given)
    inputs, targets = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("inputs", "targets")
    )
    answers = onnx.run(onnx.session(file_of(config)), inputs)
    return round(100 * quality.Accuracy()(answers, targets), 3)


if __name__ == "__main__":
    main()
