"""The front of a search, kept up to date trial by trial."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from automl import conditions, pareto
from automl.study.reference import ReferenceFigures

if TYPE_CHECKING:
    from automl.study.record import Settings, TrialRecord


class Front:
    """The complete, feasible trials that none dominates; of equal trials the first by id.

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
        self._members: list[TrialRecord] = []
        self._hypervolume: float | None = 0.0
        for record in records:
            self.add(record)

    def add(self, record: TrialRecord) -> bool:
        """Take in a trial that ended; True when it joins the front."""
        has_changed = self.reference.learn(record)
        if self.is_relative:
            self._complete += [record] * record.is_complete
            if has_changed:
                return self._judge_anew(record)
        return self._enter(record)

    def _judge_anew(self, last: TrialRecord) -> bool:
        """Hold every trial against the reference as it is now; True when the last one is in."""
        self.limits = conditions.limits(self.conditions, self.reference.figures)
        self._members, self._hypervolume = [], 0.0
        for record in self._complete:
            self._enter(record)
        return any(member is last for member in self._members)

    def _enter(self, record: TrialRecord) -> bool:
        if not record.is_complete or not conditions.satisfies(record.values, self.limits):
            return False
        if any(self._beats(member, record) for member in self._members):
            return False
        self._members = [m for m in self._members if not self._beats(record, m)] + [record]
        self._hypervolume = None
        return True

    def _beats(self, a: TrialRecord, b: TrialRecord) -> bool:
        if not pareto.covers(a.values, b.values, self.objectives):
            return False
        return a.id < b.id or not pareto.covers(b.values, a.values, self.objectives)

    @property
    def members(self) -> list[TrialRecord]:
        """The front's trials, then its refits, by number."""
        return sorted(self._members, key=lambda record: record.id)

    @property
    def hypervolume(self) -> float:
        """The share of the unit cube of the axes that the front dominates."""
        if self._hypervolume is None:
            values = [member.values for member in self._members]
            self._hypervolume = pareto.hypervolume(values, self.axes)
        return self._hypervolume
