"""Quality for bytes on all of Fashion-MNIST and of MNIST: one joint search each.

python tests/benchmarks/quality.py [--fashion DIR] [--mnist DIR] [--slots N] [--look]

A search on Fashion-MNIST takes twelve hours of a core, six by the clock on two; MNIST takes two.
Ctrl-C ends it before, and run again, it goes on with what is left. Models are chosen on the
search's validation rows alone: what stands in the results is the front, each model with what its
shipped file answers on the test rows. The bytes of a threshold are the fewest of a model on the
front that reaches it on the test rows. `--look` searches nothing and reads the front as it is.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import report_file
from cells import CACHE

from automl.engine import api
from automl.engine.searches import Search, open_study
from automl.home import Home
from automl.study.record import TrialRecord

RESULTS = report_file.path("quality")
HOME = Home(CACHE / "quality")
CORE_HOURS = {"fashion": 12.0, "mnist": 2.0}
FIRST = {
    "fashion": [
        {
            "model.stages.0.width": 16,
            "model.stages.1.width": 24,
            "model.stages.1.blocks": 1,
            "model.stages.2.width": 40,
            "model.stages.2.blocks": 1,
            "recipe.train.epochs": 40,
            "recipe.train.loss.weight": "0.9",
            "recipe.train.augmentations.2": "None",
            "recipe.quantize.bits": "1.58",
            "recipe.quantize.training.epochs": 20,
            "recipe.quantize.training.loss.weight": "0.9",
        },
        {
            "model.stages.0.width": 16,
            "model.stages.1.width": 32,
            "model.stages.1.blocks": 2,
            "model.stages.2.width": 72,
            "model.stages.2.blocks": 2,
            "recipe.train.epochs": 32,
            "recipe.train.loss.weight": "0.9",
            "recipe.train.augmentations.2": "None",
            "recipe.quantize.bits": "2",
            "recipe.quantize.training.epochs": 12,
            "recipe.quantize.training.loss.weight": "0.5",
        },
    ],
    "mnist": [],
}
"""Where a search begins: a network of about the bytes of each threshold."""
THRESHOLDS = {"fashion": (92.5, 94.0, 95.0), "mnist": (99.3,)}
PACKAGES = ("torch", "onnxruntime", "optuna", "ray")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fashion", type=str, default="")
    parser.add_argument("--mnist", type=str, default="")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--look", action="store_true")
    given = parser.parse_args()
    for name, folder in {"mnist": given.mnist, "fashion": given.fashion}.items():
        if folder:
            search = the_search(name) if given.look else searched(name, folder, given.slots)
            print(json.dumps(save(name, figures(search))))


def the_search(name: str) -> Search:
    return Search(open_study(HOME, name), HOME)


def searched(name: str, folder: str, slots: int) -> Search:
    """The search, after what was left of its hours or until Ctrl-C."""
    left = CORE_HOURS[name]
    if name in HOME.studies():
        left -= core_hours(the_search(name))
    if left <= 0:
        return the_search(name)
    return api.search(
        Path(__file__).with_name(f"quality_{name}_space.py"),
        home=HOME.path,
        name=name,
        resume_if_exists=True,
        minutes=60 * left / slots,
        concurrency=slots,
        initial_points=FIRST[name] or None,
        sets={"dataset.root": str(Path(folder).absolute())},
        seed=0,
    )


def core_hours(search: Search) -> float:
    """The hours of all runs of a search, times its slots."""
    told = search.summary()
    return told.seconds * told.slots / 3600


def figures(search: Search) -> dict[str, Any]:
    told = search.summary()
    return {
        "core_hours": round(core_hours(search), 2),
        "trials": dict(told.trials),
        "front": [row(search, record) for record in search.members()],
    }


def row(search: Search, record: TrialRecord) -> dict[str, Any]:
    """A model of the front: what it is, and what its file answers on rows that nothing has seen."""
    assert record.measurement is not None
    seen, unseen = record.measurement.figures, search.test_figures(record)
    return {
        "trial": record.trial_id,
        "bytes": int(seen["size_bytes"]),
        "validation_accuracy": seen["accuracy"],
        "test_accuracy": unseen.test["accuracy"],
        "params": dict(record.params),
    }


def summary(sets: dict[str, Any]) -> dict[str, float | None]:
    """The fewest bytes of a model on each front that reaches a threshold; None where none does."""
    found: dict[str, float | None] = {}
    for name, thresholds in THRESHOLDS.items():
        if name in sets:
            for percent in thresholds:
                key = f"{name}_bytes_at_{percent:g}".replace(".", "_")
                found[key] = least_bytes(sets[name]["front"], percent / 100)
            found[f"{name}_core_hours"] = sets[name]["core_hours"]
    return found


def least_bytes(front: list[dict[str, Any]], accuracy: float) -> int | None:
    return min((one["bytes"] for one in front if one["test_accuracy"] >= accuracy), default=None)


def save(name: str, found: dict[str, Any]) -> dict[str, float | None]:
    """Put the figures of a set beside those of the others; returns the summary of all."""
    sets = report_file.parts(RESULTS).get("sets", {}) | {name: found}
    report_file.write(RESULTS, {"summary": summary(sets), "sets": sets}, PACKAGES)
    return summary(sets)


if __name__ == "__main__":
    main()
