"""Quality for bytes on all of Fashion-MNIST and of MNIST, by joint searches of one space each.

python tests/benchmarks/quality.py [--fashion DIR] [--mnist DIR] [--slots N] [--look]

Fashion-MNIST takes twelve hours of a core, six by the clock on two, in two searches: the second
begins from what was still worth trying after the first. MNIST takes two hours, in one. Ctrl-C ends
a search before its time, and run again, it goes on with what is left. Models are chosen on
validation rows alone: what stands in the results is the front over a set's searches, each model
with what its shipped file answers on the test rows. The bytes of a threshold are the fewest of a
model on the front that reaches it on the test rows. `--look` searches nothing and reads the front
as it is.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import report_file
from cells import CACHE

from automl import pareto
from automl.engine import api
from automl.engine.searches import Search, open_study
from automl.home import Home
from automl.study.record import TrialRecord

RESULTS = report_file.path("quality")
HOME = Home(CACHE / "quality")
SMALL = {
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
}
"""A network of about 12,000 bytes."""
LARGE = {
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
}
"""A network of less than 60,000 bytes."""
TAUGHT = "recipe.quantize.training.loss.weight"


@dataclass(frozen=True)
class Part:
    """A search of a set: its name, the points that it tries first, and its trials; without a
    number of them it has the set's time."""

    name: str
    first: tuple[dict[str, Any], ...] = ()
    trials: int | None = None


PARTS = {
    "fashion": (
        Part("fashion", (SMALL | {TAUGHT: "0.9"}, LARGE | {TAUGHT: "0.5"}), trials=2),
        # The training of the first small network once more, for another start into few bits.
        Part(
            "fashion-again",
            (
                SMALL
                | {
                    "recipe.train.optimizer.weight_decay": "0.0001",
                    "recipe.train.learning_rate.peak": 0.22995145175308576,
                    TAUGHT: "0.5",
                },
            ),
        ),
    ),
    "mnist": (Part("mnist"),),
}
CORE_HOURS = {"fashion": 12.0, "mnist": 2.0}
THRESHOLDS = {"fashion": (92.5, 94.0, 95.0), "mnist": (99.3,)}
OBJECTIVES = ("accuracy", "size_bytes")
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
            if not given.look:
                search_all(name, folder, given.slots)
            print(json.dumps(save(name, figures(searches(name)))))


def searches(name: str) -> list[Search]:
    """The searches of a set that were begun."""
    begun = [part.name for part in PARTS[name] if part.name in HOME.studies()]
    return [Search(open_study(HOME, one), HOME) for one in begun]


def search_all(name: str, folder: str, slots: int) -> None:
    """Run a set's searches in turn for what is left of its hours, or until Ctrl-C."""
    for part in PARTS[name]:
        left = CORE_HOURS[name] - sum(map(core_hours, searches(name)))
        if left <= 0:
            return
        ended = api.search(
            Path(__file__).with_name(f"quality_{name}_space.py"),
            home=HOME.path,
            name=part.name,
            resume_if_exists=True,
            trials=part.trials,
            minutes=60 * left / slots,
            concurrency=slots,
            initial_points=list(part.first) or None,
            sets={"dataset.root": str(Path(folder).absolute())},
            seed=0,
        )
        if ended.interrupted:
            return


def core_hours(search: Search) -> float:
    """The hours of all runs of a search, times its slots."""
    told = search.summary()
    return told.seconds * told.slots / 3600


def figures(searches: Sequence[Search]) -> dict[str, Any]:
    """What the searches of a set took, and the front over all of them."""
    trials: Counter[str] = Counter()
    for one in searches:
        trials.update(one.summary().trials)
    members = [(one, record) for one in searches for record in one.members()]
    chosen = pareto.front_positions([seen(record) for _, record in members], OBJECTIVES)
    return {
        "core_hours": round(sum(map(core_hours, searches)), 2),
        "trials": dict(trials),
        "front": [row(*members[i]) for i in sorted(chosen)],
    }


def seen(record: TrialRecord) -> dict[str, float]:
    """The figures of a file on the validation rows."""
    assert record.measurement is not None
    return record.measurement.figures


def row(search: Search, record: TrialRecord) -> dict[str, Any]:
    """A model of the front: what it is, and what its file answers on rows that nothing has seen."""
    return {
        "search": search.study.name,
        "trial": record.trial_id,
        "bytes": int(seen(record)["size_bytes"]),
        "validation_accuracy": seen(record)["accuracy"],
        "test_accuracy": search.test_figures(record).test["accuracy"],
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
