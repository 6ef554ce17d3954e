"""What the parts of a search are worth: it goes on without one at a time, for as many seconds.

python tests/benchmarks/without_each_part.py [--small] [--parts …] [--tables digits fashion]
    [--seeds 0 1 …] [--again]

The search is the real one on a virtual clock, with four workers; its trials are looked up by
`joint_board.py`, and take the CPU seconds that they took when the table was made. Without reuse all
trials train anew, and none is proposed for what others have trained. Without ranking the sampler's
own draw is taken. Without screening no draw is refused before it runs. Trainings as short as the
tables' are not stopped (`stop_rule_long.py` has longer ones), and refits train longer than the
tables know: both are left out here.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import joint_tables
import numpy as np
import report_file
from joint_board import FULL_REUSE, Board, Method, Trained
from numpy.typing import NDArray
from stop_rule import PACKAGES
from stop_rule_summary import at
from table_search import WORKERS, Limit

from automl.study.propose import proposer
from automl.study.propose.ranking import Known, Ranker

SECONDS = {"digits": 12.0, "fashion": 15.0}
"""In which the whole search ends some 40 trials."""
GRID = 1000
"""The mean over the course is over so many parts of the seconds."""
WHOLE = "whole"


class SamplersDraw(Ranker):
    """It takes candidates as they come: the sampler's own draw is the first."""

    def best(
        self,
        history: object,
        front: NDArray[Any],
        candidates: Known,
        pending: Known,
        count: int,
    ) -> list[int]:
        return [*range(min(count, len(candidates)))]


@dataclass(frozen=True)
class Part:
    """A search of which a part is changed, by its method or while this is in force."""

    method: Method = FULL_REUSE
    in_force: Callable[[], AbstractContextManager[Any]] = nullcontext


PARTS = {
    WHOLE: Part(),
    "without_reuse": Part(Method(None)),
    "without_ranking": Part(in_force=partial(patch.object, proposer, "Ranker", SamplersDraw)),
    "without_screening": Part(
        in_force=partial(patch.object, proposer, "screen", lambda *_: lambda bound: False)
    ),
}


def main() -> None:
    given = arguments()
    results = report_file.path("without_each_part", given.small)
    cells = report_file.parts(results).get("cells", {})
    for name in given.tables:
        board = Board(name)
        for seed, part in itertools.product(given.seeds, given.parts):
            key = f"{name}.{part}.{seed}"
            if given.again or key not in cells:
                started = time.process_time()
                cell = cells[key] = played(board, PARTS[part], seed, SECONDS[name])
                save(cells, results)
                took = f"{time.process_time() - started:.0f} s"
                print(key, cell["curve"][-1], cell["counts"], took, flush=True)
    save(cells, results)
    print(json.dumps(summary(cells), indent=1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--tables", nargs="+", choices=SECONDS, default=list(joint_tables.NAMES))
    parser.add_argument("--seeds", nargs="+", type=int)
    given = parser.parse_args()
    given.seeds = given.seeds or [*range(2 if given.small else 10)]
    return given


def played(board: Board, part: Part, seed: int, seconds: float) -> dict[str, Any]:
    """A search for so many seconds of the virtual clock."""
    trained = Trained(part.method.reuse)
    with part.in_force():
        found = board.play(part.method, seed, Limit(seconds, lambda event: event.second), trained)
    curve = [(round(second, 3), share) for second, share in found.curve]
    counts = {"started": found.started, "complete": found.complete, "epochs": trained.num_epochs}
    return {"curve": curve, "counts": counts}


def save(cells: Mapping[str, Any], results: Path) -> None:
    report = {"seconds": SECONDS, "workers": WORKERS, "cells": cells}
    report_file.write(results, {"summary": summary(cells), **report}, PACKAGES, indent=None)


def summary(cells: Mapping[str, Any]) -> dict[str, float]:
    """Of each table and part the share at the end and the mean over the course, the means of seeds;
    and in how many of the seeds the whole search has the better mean over the course."""
    found: dict[str, float] = {}
    means: dict[tuple[str, str], dict[str, float]] = {}
    ends: dict[tuple[str, str], list[float]] = {}
    for key, cell in cells.items():
        table, part, seed = key.split(".")
        shares = at(cell["curve"], np.linspace(0, SECONDS[table], GRID + 1))
        means.setdefault((table, part), {})[seed] = float(shares.mean())
        ends.setdefault((table, part), []).append(float(shares[-1]))
    for (table, part), by_seed in means.items():
        name, whole = f"{table}.{part}", means.get((table, WHOLE), {})
        found[f"{name}.final"] = round(float(np.mean(ends[table, part])), 4)
        found[f"{name}.mean"] = round(float(np.mean([*by_seed.values()])), 4)
        if part != WHOLE:
            behind = [whole[seed] > mean for seed, mean in by_seed.items() if seed in whole]
            found[f"{name}.seeds_behind"] = sum(behind)
    seeds = {key.split(".")[-1] for key in cells}
    return {"seeds": len(seeds), **found}


if __name__ == "__main__":
    main()
