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
from pathlib import Path

import torch

from zoo.cells import Cell, start_of
from zoo.declared import all_declared
from zoo.judge import judged
from zoo.verdicts import Judged, Verdict, refusal

MEMORY = 6 * 2**30
CPU_SECONDS = 240


def main(name: str, folder: Path, recipes: list[str]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    declared = all_declared()[name]
    whole = start_of(Cell(declared, "train", folder))
    with open(folder / f"{name}.jsonl", "a") as out:
        for recipe in recipes:
            out.write(json.dumps({"begun": recipe}) + "\n")
            out.flush()
            if whole.raised:
                found = Judged(name, recipe, Verdict.RAW_EXCEPTION, f"at the start: {whole.raised}")
            elif whole.refused:
                verdict = refusal(declared, recipe, whole.refused, at_start=True)
                found = Judged(name, recipe, verdict, f"at the start: {whole.refused}")
            else:
                found = _judged(Cell(declared, recipe, folder))
            out.write(json.dumps(vars(found)) + "\n")
            out.flush()
    # Threads of libraries that never end would keep the process.
    os._exit(0)


def _judged(cell: Cell) -> Judged:
    """The verdict on a cell; where the judge itself fails, that is told as the worst."""
    try:
        return judged(cell)
    except Exception as error:
        why = f"the judge failed: {type(error).__name__}: {error}"
        return Judged(cell.declared.name, cell.recipe, Verdict.SILENTLY_WRONG, why)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
