"""One joint search against four in sequence, at equal epochs: accuracy at equal bytes and latency.

python tests/benchmarks/joint.py [--small] [--tables digits fashion] [--seeds 0 1 …] [--again]

On the joint tables (`joint_board.py`). In sequence, the same sampler and stop rule search
the architecture under plain training, then the training of the one that was taken, then its
pruning, then its bits, each with a quarter of the epochs and what those before left over. Taken is
the most accurate, or (`within a point`) the smallest within one point of the most accurate; all
models of all four count in the end. The joint search has as many epochs as the sequence has used.
`gain_points` are the mean, over the sequence's front, of what the best joint model of at most as
many bytes (milliseconds) is more accurate, in points; where only one of both has a model as small,
nothing is compared.
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
from table_search import WORKERS, shared_memory

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
    """A sequence, and a joint search of as many epochs."""
    trained = Trained(reuse=True)
    sequence = in_sequence(board, TAKES[take], epochs, seed, trained)
    jointly = in_one(board, trained.num_epochs, seed)
    return {
        "epochs_used": trained.num_epochs,
        "models": [len(sequence), len(jointly)],
        **{
            f"gain_at_{name}": gain(sequence, jointly, name)
            for name in ("size_bytes", "latency_ms")
        },
        "shares": [round(share(board, found), 4) for found in (sequence, jointly)],
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
        found += searched(board, free, until, seed, trained)
        chosen = dict(take(found).params)
    return found


@functools.cache
def in_one(board: Board, epochs: int, seed: int) -> list[TrialRecord]:
    """All models of a joint search."""
    return searched(board, {}, epochs, seed, Trained(reuse=True))


def searched(
    board: Board, fixed: Mapping[str, str], until: int, seed: int, trained: Trained
) -> list[TrialRecord]:
    """The models of a search under fixed parameters, until so many epochs have begun in all, or
    the space holds nothing that is not known."""
    found: list[TrialRecord] = []
    before = idle = 0
    method = Method(reuse=True)
    with tempfile.TemporaryDirectory(dir=shared_memory()) as folder, method.rungs.in_force():
        study = Path(folder) / "study"
        dispatcher = board.dispatcher(study, method, seed, trained, fixed)
        for event in simulate(dispatcher, functools.partial(course, board.rows, trained), WORKERS):
            if trained.num_epochs > until or idle == PATIENCE:
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


def gain(sequence: Sequence[TrialRecord], jointly: Sequence[TrialRecord], figure: str) -> float:
    """Points of accuracy by which the joint search is ahead, over the sequence's front."""
    points = [{name: one.values[name] for name in ("accuracy", figure)} for one in sequence]
    front = [points[i] for i in pareto.front_positions(points, ["accuracy", figure])]
    least = min(one.values[figure] for one in jointly)
    ahead = [
        max(o.values["accuracy"] for o in jointly if o.values[figure] <= at[figure])
        - at["accuracy"]
        for at in front
        if at[figure] >= least
    ]
    return round(100 * statistics.fmean(ahead), 3)


def share(board: Board, found: Sequence[TrialRecord]) -> float:
    """The share of the whole table's hypervolume."""
    return board.share([{name: one.values[name] for name in board.axes} for one in found])


def summary(cells: Mapping[str, Any]) -> dict[str, float]:
    """Medians over the seeds of each table, number of epochs and way to take; `joint_gain_points`
    is the least of those at equal bytes."""
    found: dict[str, float] = {}
    medians = list[float]()
    for table, own_epochs in EPOCHS.items():
        for epochs, take in itertools.product(own_epochs, TAKES):
            start = f"{table}.{take}.{epochs}."
            own = [one for key, one in cells.items() if key.startswith(start)]
            if not own:
                continue
            key = f"{table}_{take.replace(' ', '_')}_{epochs}"
            for figure in ("size_bytes", "latency_ms"):
                gains = [one[f"gain_at_{figure}"] for one in own]
                found[f"gain_points_at_{figure}_{key}"] = round(statistics.median(gains), 3)
            found[f"ahead_at_size_bytes_{key}"] = sum(one["gain_at_size_bytes"] > 0 for one in own)
            found[f"seeds_{key}"] = len(own)
            medians.append(found[f"gain_points_at_size_bytes_{key}"])
    return {"joint_gain_points": min(medians, default=0.0), **found}


if __name__ == "__main__":
    main()
