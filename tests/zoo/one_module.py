"""Judges the cells of one module in this process: a line of JSON for each, as soon as it ended.

    python -m zoo.one_module NAME FOLDER RECIPE [RECIPE ...]

FOLDER holds the data and the store, and gets the lines in NAME.jsonl.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from zoo.cells import Cell, start_of
from zoo.declared import Declared, all_declared
from zoo.judge import judged
from zoo.verdicts import Judged, Verdict, refusal

MEMORY = 6 * 2**30
CPU_SECONDS = 240


def main(name: str, folder: Path, recipes: list[str]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with open(folder / f"{name}.jsonl", "a") as out:
        cells = cells_judged(all_declared()[name], folder, recipes)
        for recipe in recipes:
            out.write(json.dumps({"begun": recipe}) + "\n")
            out.flush()
            out.write(json.dumps(vars(next(cells))) + "\n")
            out.flush()
    # Threads of libraries that never end would keep the process.
    os._exit(0)


def cells_judged(declared: Declared, folder: Path, recipes: Sequence[str]) -> Iterator[Judged]:
    """The verdict on each cell of a module. What a search does once at its start is done first:
    where that ends it, no cell is run."""
    start = start_of(Cell(declared, "train", folder))
    for recipe in recipes:
        if start.raised:
            why = f"at the start: {start.raised}"
            yield Judged(declared.name, recipe, Verdict.RAW_EXCEPTION, why)
        elif start.refused:
            verdict = refusal(declared, recipe, start.refused, at_start=True)
            yield Judged(declared.name, recipe, verdict, f"at the start: {start.refused}")
        else:
            yield _judged(Cell(declared, recipe, folder))


def _judged(cell: Cell) -> Judged:
    """The verdict on a cell; where the judge itself fails, that is told as the worst."""
    try:
        return judged(cell)
    except Exception as error:
        why = f"the judge failed: {type(error).__name__}: {error}"
        return Judged(cell.declared.name, cell.recipe, Verdict.SILENTLY_WRONG, why)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
