"""One joint search against four in sequence, of as much work: accuracy at equal bytes and latency.

python tests/benchmarks/joint.py [--small] [--tables digits fashion] [--seeds 0 1 …] [--again]

On the joint tables (`joint_board.py`). In sequence, the same sampler and stop rule search
the architecture under plain training, then the training of the one that was taken, then its
pruning, then its bits, each with a quarter of the epochs and what those before left over. Taken is
the most accurate, or (`within a point`) the smallest within one point of the most accurate; all
models of all four count in the end. The joint search may train as many epochs as the sequence has,
or take as many CPU seconds, exports and measuring included. `gain_points` are the mean, over the
sequence's front, of what the best joint model of at most as many bytes (milliseconds) is more
accurate, in points; where only one of both has a model as small, nothing is compared. Beside them
stands what a search that knew the whole table could gain.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import joint_tables
import report_file
from joint_board import Board, Method, Trained, course
from stop_rule import PACKAGES
from table_search import WORKERS, Figures, shared_memory

from automl import pareto
from automl.space.domains import ParamValue
from automl.study.record import TrialRecord
from automl.study.simulator import simulate

EPOCHS = {"digits": (400, 800), "fashion": (220, 440)}
"""Those of 22 and 44 trainings of the space, about."""
SEEDS = 20
PATIENCE = 30
"""A space is known after so many trials in a row that have trained nothing."""
PLAIN = {
    "recipe.train.optimizer": "AdamW",
    "recipe.train.learning_rate.schedule.peak": "0.005",
    "recipe.train.batch_size.value": "32",
    "recipe.shrink": "None",
    "recipe.quantize": "None",
}
"""What a stage that searches something else leaves as it is, where none before has chosen."""
STAGES = (("model",), ("recipe.train",), ("recipe.shrink", "recipe.prune"), ("recipe.quantize",))
"""What each stage searches: all parameters that begin so."""
EQUAL = ("num_epochs", "cpu_seconds")
"""What the joint search may spend as much of as the sequence has spent."""
FIGURES = ("size_bytes", "latency_ms")
WHAT_COUNTS = "gain_points_at_size_bytes_cpu_seconds_"
Take: TypeAlias = Callable[[Sequence[TrialRecord]], TrialRecord]


def main() -> None:
    given = arguments()
    results = report_file.path("joint", given.small)
    cells = report_file.parts(results).get("cells", {})
    for name in given.tables:
        board, asked = Board(name), EPOCHS[name][: 1 if given.small else None]
        for epochs, seed, take in itertools.product(asked, given.seeds, TAKES):
            key = f"{name}.{take}.{epochs}.{seed}"
            if given.again or key not in cells:
                cells[key] = cell(board, take, epochs, seed)
                save(cells, results)
                print(key, cells[key], flush=True)
    save(cells, results)
    print(json.dumps(summary(cells), indent=1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--tables", nargs="+", choices=EPOCHS, default=list(joint_tables.NAMES))
    parser.add_argument("--seeds", nargs="+", type=int)
    given = parser.parse_args()
    given.seeds = given.seeds or [*range(2 if given.small else SEEDS)]
    return given


def save(cells: Mapping[str, Any], results: Path) -> None:
    report_file.write(results, {"summary": summary(cells), "cells": cells}, PACKAGES)


def cell(board: Board, take: str, epochs: int, seed: int) -> dict[str, Any]:
    """A sequence, and joint searches that spend as much."""
    spent = Trained(reuse=True)
    sequence = in_sequence(board, TAKES[take], epochs, seed, spent)
    most = {equal: getattr(spent, equal) for equal in EQUAL}
    jointly = {equal: in_one(board, seed, equal, most[equal]) for equal in EQUAL}
    front, *played = (files(board, own) for own in (sequence, *jointly.values()))
    found = {**dict(zip(EQUAL, played, strict=True)), "most": board.files}
    return {
        **most,
        "models": [len(sequence), *map(len, jointly.values())],
        **{
            f"gain_at_{figure}": {name: gain(front, own, figure) for name, own in found.items()}
            for figure in FIGURES
        },
        "shares": [round(board.share(own), 4) for own in (front, *played)],
    }


def in_sequence(
    board: Board, take: Take, epochs: int, seed: int, trained: Trained
) -> list[TrialRecord]:
    """All models of four searches, each of which goes on from what the one before has found."""
    found: list[TrialRecord] = []
    chosen: dict[str, ParamValue] = {}
    for turn, own in enumerate(STAGES, 1):
        fixed = {**PLAIN, **{path: str(value) for path, value in chosen.items()}}
        free = {path: value for path, value in fixed.items() if not path.startswith(own)}
        until = epochs * turn // len(STAGES)
        found += searched(board, free, seed, trained, "num_epochs", until)
        chosen = dict(take(found).params)
    return found


@functools.cache
def in_one(board: Board, seed: int, spent: str, most: float) -> list[TrialRecord]:
    """All models of a joint search."""
    return searched(board, {}, seed, Trained(reuse=True), spent, most)


def searched(
    board: Board,
    fixed: Mapping[str, str],
    seed: int,
    trained: Trained,
    spent: str,
    most: float,
) -> list[TrialRecord]:
    """The models of a search under fixed parameters, until more than so much is spent in all, or
    the space holds nothing that is not known."""
    found: list[TrialRecord] = []
    before = idle = 0
    method = Method(reuse=True)
    with tempfile.TemporaryDirectory(dir=shared_memory()) as folder, method.rungs.in_force():
        study = Path(folder) / "study"
        dispatcher = board.dispatcher(study, method, seed, trained, fixed)
        for event in simulate(dispatcher, functools.partial(course, board.rows, trained), WORKERS):
            if getattr(trained, spent) > most or idle == PATIENCE:
                break
            if event.record is not None:
                idle = idle + 1 if trained.num_epochs == before else 0
                before = trained.num_epochs
                found += [event.record] if event.record.is_complete else []
        dispatcher.close()
    return [replace(record, params={**fixed, **record.params}) for record in found]


def most_accurate(found: Sequence[TrialRecord]) -> TrialRecord:
    return max(found, key=lambda one: (one.values["accuracy"], -one.values["size_bytes"]))


def within_a_point(found: Sequence[TrialRecord]) -> TrialRecord:
    best = most_accurate(found).values["accuracy"]
    near = [one for one in found if one.values["accuracy"] >= best - 0.01]
    return min(near, key=lambda one: one.values["size_bytes"])


TAKES: dict[str, Take] = {"most accurate": most_accurate, "within a point": within_a_point}


def files(board: Board, found: Sequence[TrialRecord]) -> list[Figures]:
    """The figures of models on the axes."""
    return [{name: one.values[name] for name in board.axes} for one in found]


def gain(sequence: Sequence[Figures], jointly: Sequence[Figures], figure: str) -> float:
    """Points of accuracy by which the joint search is ahead, over the sequence's front."""
    front = [sequence[i] for i in pareto.front_positions(sequence, ["accuracy", figure])]
    least = min(one[figure] for one in jointly)
    ahead = [
        max(one["accuracy"] for one in jointly if one[figure] <= at[figure]) - at["accuracy"]
        for at in front
        if at[figure] >= least
    ]
    return round(100 * statistics.fmean(ahead), 3)


def summary(cells: Mapping[str, Any]) -> dict[str, float]:
    """Medians over the seeds of each table, number of epochs and way to take; `joint_gain_points`
    is the least of those at equal bytes and equal CPU seconds."""
    found: dict[str, float] = {}
    for table, own_epochs in EPOCHS.items():
        for epochs, take in itertools.product(own_epochs, TAKES):
            start = f"{table}.{take}.{epochs}."
            own = [one for key, one in cells.items() if key.startswith(start)]
            if own:
                name = f"{table}_{take.replace(' ', '_')}_{epochs}"
                found |= {f"{key}_{name}": value for key, value in medians(own).items()}
    least = min(value for key, value in found.items() if key.startswith(WHAT_COUNTS))
    return {"joint_gain_points": least, **found}


def medians(cells: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {"seeds": len(cells)}
    for figure, equal in itertools.product(FIGURES, (*EQUAL, "most")):
        gains = [cell[f"gain_at_{figure}"][equal] for cell in cells]
        found[f"gain_points_at_{figure}_{equal}"] = round(statistics.median(gains), 3)
        found[f"ahead_at_{figure}_{equal}"] = sum(gain > 0 for gain in gains)
    return found


if __name__ == "__main__":
    main()
