"""The front of a search, kept up to date trial by trial."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from automl import conditions, noise, pareto, quality
from automl.study.reference import ReferenceFigures

if TYPE_CHECKING:
    from automl.study.record import Settings, TrialRecord


class Front:
    """The complete, feasible trials that none dominates; of equal trials the first by id.

    Of these `unbeaten` ones, `members` are those that are better than each other by more than the
    figures' uncertainty. The order in which trials come does not matter.

    `limits` are the constraints as numbers. Those relative to the reference's quality hold from
    its first training on, and rise with it: what no longer keeps them leaves the front.
    """

    def __init__(self, settings: Settings, records: Iterable[TrialRecord] = ()) -> None:
        self.objectives, self.axes = settings.objectives, settings.axes
        self.conditions = settings.conditions
        self.is_relative = any(condition.of_reference for condition in settings.conditions)
        self.reference = ReferenceFigures(settings)
        self.limits = conditions.limits(self.conditions, self.reference.figures)
        self._complete: list[TrialRecord] = []
        goals = [pareto.DIRECTIONS[name] for name in self.objectives]
        self._signs = np.array([1.0 if goal == "max" else -1.0 for goal in goals])
        self._unbeaten: tuple[TrialRecord, ...] = ()
        self._points = np.empty((0, len(goals)))
        """The objectives of the unbeaten, more is better."""
        self._members: list[TrialRecord] | None = []
        self._hypervolume: float | None = 0.0
        for record in records:
            self.add(record)

    def add(self, record: TrialRecord) -> None:
        """Take in a trial that ended."""
        has_changed = self.reference.learn(record)
        if self.is_relative:
            self._complete += [record] * record.is_complete
            if has_changed:
                self._judge_anew()
                return
        self._enter(record)

    def _judge_anew(self) -> None:
        """Hold every trial against the reference as it is now."""
        self.limits = conditions.limits(self.conditions, self.reference.figures)
        self._unbeaten, self._members, self._hypervolume = (), [], 0.0
        self._points = self._points[:0]
        for record in self._complete:
            self._enter(record)

    def _enter(self, record: TrialRecord) -> None:
        if not record.is_complete or not conditions.satisfies(record.values, self.limits):
            return
        point = self._signs * [record.values[name] for name in self.objectives]
        covering = np.all(self._points >= point, axis=1).nonzero()[0]
        if any(self._beats(self._unbeaten[place], record) for place in covering):
            return
        stays = np.ones(len(self._unbeaten), bool)
        for place in np.all(self._points <= point, axis=1).nonzero()[0]:
            stays[place] = not self._beats(record, self._unbeaten[place])
        kept = [*compress(self._unbeaten, stays)]
        place = bisect(kept, record.id, key=lambda member: member.id)
        self._unbeaten = (*kept[:place], record, *kept[place:])
        self._points = np.insert(self._points[stays], place, point, axis=0)
        self._members = self._hypervolume = None

    def _beats(self, a: TrialRecord, b: TrialRecord) -> bool:
        """Tell whether a, which is nowhere worse than b, takes b's place."""
        differing = {name for name in self.objectives if a.values[name] != b.values[name]}
        if not differing:
            return a.id < b.id
        # Between twins that differ in times alone, noise would choose another each time.
        return not differing <= {*a.uncertainty, *b.uncertainty} - quality.METRICS.keys()

    @property
    def unbeaten(self) -> tuple[TrialRecord, ...]:
        """The trials that none dominates, were all figures exact, and their twins that differ
        from one in uncertain times alone, by number; the same tuple until that changes."""
        return self._unbeaten

    @property
    def members(self) -> list[TrialRecord]:
        """The front's trials, then its refits, by number."""
        if self._members is None:
            known = self.unbeaten
            values = [record.values for record in known]
            uncertainty = [record.uncertainty for record in known]
            kept = noise.told_apart(values, uncertainty, self.objectives)
            self._members = [known[position] for position in kept]
        return self._members.copy()

    @property
    def hypervolume(self) -> float:
        """The share of the unit cube of the axes that the front dominates."""
        if self._hypervolume is None:
            values = [member.values for member in self.members]
            self._hypervolume = pareto.hypervolume(values, self.axes)
        return self._hypervolume
