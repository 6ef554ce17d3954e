"""What a teacher gains over training by the labels alone, at equal epochs.

python tests/benchmarks/distillation.py [FOLDER_OF_IDX_FILES] [--seeds 5]

On digits, and with a folder on 10,000 rows of Fashion-MNIST. A small perceptron learns from a
trained convolutional network; quantized to 2 bits and to 1 bit throughout, it is taught during
quantization-aware training, or in its training before, too. Accuracy is of the exported file on all
rows that were not learned from; a gain is the mean over seeds of the differences to the same
training by the labels alone. What was trained is kept: run again after an interruption, it goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import report_file
import torch
from cells import CACHE, file_of
from fashion_subset import FashionSubset

from automl import quality
from automl.compression.quantize import RATE, RATE_BELOW_2_BITS, Quantize
from automl.data import dataset
from automl.data.dataset import Dataset
from automl.data.sklearn import Sklearn
from automl.models.convnet import ConvNet
from automl.models.family import ModelFamily
from automl.models.mlp import MLP
from automl.recipe import Sibling, Step
from automl.runtimes import onnx
from automl.space.space import TrialConfig
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.losses import Loss
from automl.training.optimizers import AdamW
from automl.training.schedules import Cosine, Warmup

RESULTS = report_file.path("distillation")
FIRST_SEED = 100
"""All that can be chosen here was chosen with seeds below it."""
PERCEPTRON = MLP((32,))
BEST = "perceptron_taught"
"""The kind that the summary calls the best: it was so with seeds below the first."""


@dataclass(frozen=True)
class Budget:
    """Epochs of the pupil in a short and a long training, of its teacher, and of the
    quantization-aware training after a long one."""

    short: int
    long: int
    teachers: int
    aware: int
    teacher: ModelFamily


BUDGETS = {
    "digits": Budget(8, 120, 60, 20, ConvNet((32, 64))),
    "fashion_10k": Budget(8, 60, 10, 10, ConvNet((16, 32, 64))),
}


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
    rows = [row for name, data in sets.items() for row in table(name, data, seeds)]
    report_file.write(RESULTS, {"summary": summary(rows), "rows": rows})
    print(json.dumps(summary(rows)))


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The gain of each kind on each set, and beside it whether the best is beyond noise."""
    found: dict[str, Any] = {"seeds": len(rows[0]["accuracies"])}
    for row in rows:
        found[f"{row['data']}_{row['kind']}_over_{row['over']}_gain_points"] = row["gain_points"]
    best = [row for row in rows if row["kind"] == BEST]
    equal = [row for row in best if row["over"] == BEST.removesuffix("_taught")]
    for row in equal:
        found[f"distillation_best_long_gain_points_{row['data']}"] = row["gain_points"]
        found[f"distillation_best_long_standard_error_{row['data']}"] = row["standard_error"]
    key = "distillation_best_long_above_two_standard_errors"
    found[key] = all(is_beyond_noise(row) for row in equal)
    found[f"{key}_of_every_plain"] = all(is_beyond_noise(row) for row in best)
    return found


def is_beyond_noise(row: dict[str, Any]) -> bool:
    return bool(row["gain_points"] > 2 * row["standard_error"])


def table(name: str, data: Dataset, seeds: range) -> Iterator[dict[str, Any]]:
    """A row per taught kind, with its gain over the plain training of the same seeds."""
    found: dict[str, list[float]] = {}
    for seed in seeds:
        for kind, (model, recipe) in kinds(BUDGETS[name]).items():
            found.setdefault(kind, []).append(accuracy(TrialConfig(data, model, recipe, seed)))
            print(f"{name}, seed {seed}, {kind}: {found[kind][-1]} %", flush=True)
    pairs = [(kind, kind.split("_taught")[0]) for kind in found if "taught" in kind]
    for kind, over in [*pairs, (BEST, "short_perceptron"), (BEST, "mixed_perceptron")]:
        gains = [own - other for own, other in zip(found[kind], found[over], strict=True)]
        yield {
            "data": name,
            "kind": kind,
            "over": over,
            "gain_points": round(statistics.mean(gains), 2),
            "standard_error": round(statistics.stdev(gains) / len(gains) ** 0.5, 2),
            "accuracies": found[kind],
            "plain_accuracies": found[over],
        }


def kinds(budget: Budget) -> dict[str, tuple[ModelFamily, tuple[Step, ...]]]:
    """A model and a recipe of each; a "..._taught..." is compared with what stands before that."""
    taught = Distill(Sibling((train(budget.teachers),), budget.teacher), 2.0, 0.9)
    long, taught_long = train(budget.long), train(budget.long, taught)
    found: dict[str, tuple[ModelFamily, tuple[Step, ...]]] = {
        "perceptron": (PERCEPTRON, (long,)),
        "perceptron_taught": (PERCEPTRON, (taught_long,)),
        "mixed_perceptron": (PERCEPTRON, (replace(long, mixup=1.0),)),
        "short_perceptron": (PERCEPTRON, (train(budget.short),)),
        "short_perceptron_taught": (PERCEPTRON, (train(budget.short, taught),)),
    }
    for bits in (2, 1):
        kind, aware = f"{bits}_bit_perceptron", quantize(bits, budget.aware, None)
        taught_aware = quantize(bits, budget.aware, taught)
        found[kind] = (PERCEPTRON, (long, aware))
        found[f"{kind}_taught"] = (PERCEPTRON, (long, taught_aware))
        found[f"{kind}_taught_throughout"] = (PERCEPTRON, (taught_long, taught_aware))
    return found


def train(epochs: int, loss: Loss | None = None) -> Train:
    return Train(learning_rate=Warmup(Cosine(0.01)), epochs=epochs, loss=loss)


def quantize(bits: int, epochs: int, loss: Loss | None) -> Quantize:
    """So many bits in the first and last layer, too; the usual training but for its length."""
    rate = RATE_BELOW_2_BITS if bits < 2 else RATE
    aware = Train(AdamW(weight_decay=0.0), Warmup(Cosine(rate)), epochs=epochs)
    return Quantize(bits, ends_bits=bits, training=aware, loss=loss)


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
