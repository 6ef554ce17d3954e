"""Judges a cell: runs it to its end, and gives a verdict on that."""

from __future__ import annotations

import time
from dataclasses import replace

from zoo import oracles
from zoo.cells import Cell, Ended, end_of
from zoo.finished import Finished
from zoo.verdicts import Judged, Verdict, refusal
from zoo.wrongs import wrongs

MOST_UNTOUCHED = 0.5


def judged(cell: Cell) -> Judged:
    """Run a cell, and judge how it ended."""
    started = time.perf_counter()
    ended = end_of(cell)
    found = _verdict(cell, ended)
    notes = ended.result.notes if ended.result else ()
    return replace(found, seconds=time.perf_counter() - started, notes=tuple(notes))


def _verdict(cell: Cell, ended: Ended) -> Judged:
    name, recipe = cell.declared.name, cell.recipe
    if ended.raised:
        return Judged(name, recipe, Verdict.RAW_EXCEPTION, ended.raised)
    if ended.refused:
        verdict = refusal(cell.declared, recipe, ended.refused, ended.at_start)
        return Judged(name, recipe, verdict, ended.refused)
    if cell.declared.must:
        return Judged(name, recipe, Verdict.SILENTLY_WRONG, "is complete, but cannot be honest")
    return _of_complete(Finished(cell, ended))


def _of_complete(cell: Finished) -> Judged:
    verdict, why = Verdict.RIGHT, ""
    if wrong := "; ".join(wrongs(cell)):
        verdict, why = Verdict.SILENTLY_WRONG, wrong
    elif cell.untouched > MOST_UNTOUCHED:
        unsaid = cell.unsaid()
        verdict = Verdict.UNSAID if unsaid else Verdict.LEFT_ALONE
        why = f"{cell.untouched:.0%} of the weights are untouched"
        why += f", nothing tells {', '.join(unsaid)}" if unsaid else ""
    return Judged(
        cell.cell.declared.name,
        cell.recipe,
        verdict,
        why,
        accuracy=cell.accuracy,
        trained_accuracy=cell.trained_accuracy,
        size_bytes=len(cell.file),
        fp32_bytes=len(cell.parent),
        untouched=cell.untouched,
        distance=oracles.distance(cell.answers, cell.trained),
    )
