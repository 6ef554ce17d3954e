"""The stop rule's knowledge of one trial: its entries at rungs, its pause, and who stopped it.

A long search keeps some of these of every trial, so they take as little room as they can.
"""

from __future__ import annotations

from dataclasses import dataclass

from automl.study.trial_id import TrialId


@dataclass(frozen=True, order=True, slots=True)
class RungName:
    """A rung: trials are compared after the same epoch of a step of the same label.

    `teacher` is "labels", or the loss by which the step learns from another model.
    """

    step: str
    teacher: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a rung: what a trial had reached there.

    `values` are on the axes, more is better; `violation` is by how much the trial breaks the
    constraints. `key` is that of the prefix in the making: a rung has one entry of each.
    """

    key: str
    values: tuple[float, ...]
    violation: float = 0.0


@dataclass(frozen=True, slots=True)
class Entered:
    """An entry, the trial that made it, the rung, and its position among all of a search."""

    order: int
    trial: TrialId
    rung: RungName
    entry: Entry


@dataclass(frozen=True, slots=True)
class Stopper:
    """A paused trial that dominates another one at a rung, and so has that one pause, too."""

    trial: TrialId
    rung: RungName


@dataclass(frozen=True, slots=True)
class RungState:
    """A trial's entries, the rung at which it is paused, and the paused trials that stop it."""

    entries: tuple[Entered, ...] = ()
    paused_at: RungName | None = None
    stopped_by: tuple[Stopper, ...] = ()
