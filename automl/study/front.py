"""The front of a search, kept up to date trial by trial."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from automl import conditions, noise, pareto
from automl.study.reference import ReferenceFigures

if TYPE_CHECKING:
    from automl.study.record import Settings, TrialRecord

REFITS = 1 << 40
"""A number that no trial reaches: refits stand behind all trials."""


class Front:
    """The complete, feasible trials that none dominates; of equal trials the first by id.

    Of these `unbeaten` ones, `members` are those that are better than each other by more than the
    figures' uncertainty. The order in which trials come does not matter.

    `limits` are the constraints as numbers. Those relative to the reference's quality hold from
    its first training on, and rise with it: what no longer keeps them leaves the front.
    """

    def __init__(self, settings: Settings, records: Iterable[TrialRecord] = ()) -> None:
        self.objectives, self.axes = settings.objectives, settings.axes
        self.directions = settings.directions
        self.conditions = settings.conditions
        self.is_relative = any(condition.of_reference for condition in settings.conditions)
        self.reference = ReferenceFigures(settings)
        self.limits = conditions.limits(self.conditions, self.reference.figures)
        self._complete: list[TrialRecord] = []
        self._signs = np.array([[float(self.directions.sign(n))] for n in self.objectives])
        self._leave()
        self._take([*records])

    def add(self, record: TrialRecord) -> None:
        """Take in a trial that ended."""
        self._take([record])

    def _take(self, records: Sequence[TrialRecord]) -> None:
        """Take in trials that ended: many at once in far less time than one by one."""
        changed = [self.reference.learn(record) for record in records]
        complete = [record for record in records if record.is_complete]
        if self.is_relative:
            self._complete += complete
            if any(changed):
                # Every trial is held against the reference as it is now.
                self.limits = conditions.limits(self.conditions, self.reference.figures)
                self._leave()
                complete = self._complete
        if self.limits:
            complete = [r for r in complete if conditions.satisfies(r.values, self.limits)]
        self._enter(complete)

    def _leave(self) -> None:
        """Have the front empty."""
        self._unbeaten: tuple[TrialRecord, ...] = ()
        self._contest = self._contest_of(())
        """That of the unbeaten."""
        self._members: list[TrialRecord] | None = []
        self._hypervolume: float | None = 0.0

    def _enter(self, records: Sequence[TrialRecord]) -> None:
        """Let in what none beats, in the place of what it beats."""
        if not self._unbeaten:
            contest = self._contest_of(records)
            best = contest.unbeaten()
            self._become([records[place] for place in best], contest.at(best))
            return
        for record in records:
            one = self._contest_of([record])
            if not self._contest.beats(one).any():
                stays = np.logical_not(one.beats(self._contest))
                kept = [*compress(self._unbeaten, stays), record]
                self._become(kept, self._contest.at(stays).and_those(one))

    def _become(self, unbeaten: Sequence[TrialRecord], contest: Contest) -> None:
        """Have others be the unbeaten, in any order."""
        by_id = contest.order.argsort()
        self._unbeaten = tuple(unbeaten[place] for place in by_id)
        self._contest = contest.at(by_id)
        self._members = self._hypervolume = None

    def _contest_of(self, records: Sequence[TrialRecord]) -> Contest:
        names, shape = self.objectives, (len(self.objectives), len(records))
        figures = [record.values for record in records]
        errors = [record.uncertainty for record in records]
        # Between twins that differ in times alone, noise would choose another each time.
        certain = [[not pareto.is_of_file(n) or n not in own for own in errors] for n in names]
        points = np.array([[own[n] for own in figures] for n in names], float)
        return Contest(
            self._signs * points.reshape(shape),
            np.array(certain, bool).reshape(shape),
            np.array([r.id.number + REFITS * r.id.is_refit for r in records], np.int64),
        )

    @property
    def unbeaten(self) -> tuple[TrialRecord, ...]:
        """The trials that none dominates, were all figures exact, and their twins that differ
        from one in uncertain times alone, by number; the same tuple until that changes."""
        return self._unbeaten

    @property
    def members(self) -> list[TrialRecord]:
        """The front's trials, then its refits, by number."""
        if self._members is None:
            self._members = self.told_apart(self.unbeaten)
        return self._members.copy()

    def told_apart(self, records: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Keep, of the unbeaten or some of them, those that noise alone does not keep there."""
        values = [record.values for record in records]
        uncertainty = [record.uncertainty for record in records]
        kept = noise.told_apart(values, uncertainty, self.objectives, self.directions)
        return [records[position] for position in kept]

    @property
    def hypervolume(self) -> float:
        """The share of the unit cube of the axes that the front dominates."""
        if self._hypervolume is None:
            values = [member.values for member in self.members]
            self._hypervolume = pareto.hypervolume(values, self.axes)
        return self._hypervolume


class Contest(NamedTuple):
    """Trials as the front compares them, and whom each beats.

    `points` are their objectives (objectives, trials), more is better; those that `decide` are no
    uncertain times; `order` is that of the ids.
    """

    points: NDArray[np.float64]
    decide: NDArray[np.bool_]
    order: NDArray[np.int64]

    def at(self, places: NDArray[np.int64] | NDArray[np.bool_]) -> Contest:
        """The trials at some places."""
        return Contest(self.points[:, places], self.decide[:, places], self.order[places])

    def and_those(self, others: Contest) -> Contest:
        """The trials of both, these first."""
        points = np.concatenate((self.points, others.points), 1)
        decide = np.concatenate((self.decide, others.decide), 1)
        return Contest(points, decide, np.concatenate((self.order, others.order)))

    def beats(self, others: Contest) -> NDArray[np.bool_]:
        """A mask of the pairs whose first takes the other's place; one side is a single trial.

        The first is nowhere worse, and better in what decides, or equal and older.
        """
        covers: NDArray[np.bool_] = np.all(self.points >= others.points, axis=0)
        if not covers.any():
            return covers
        differs = self.points != others.points
        is_better = (differs & self.decide & others.decide).any(0)
        is_older = np.logical_not(differs.any(0)) & (self.order < others.order)
        beats: NDArray[np.bool_] = np.logical_and(covers, is_better | is_older)
        return beats

    def unbeaten(self) -> NDArray[np.int64]:
        """The places of the trials that none of the others beats."""
        if len(self.order) < 2:
            return np.arange(len(self.order))
        ranks = [1.0 + np.unique(own, return_inverse=True)[1] for own in self.points]
        # By this order nothing is beaten by what comes later, and much by what comes first.
        places = np.lexsort((self.order, -np.prod(ranks, axis=0)))
        rest, found = self.at(places), []
        while len(places):
            found.append(places[0])
            left = np.logical_not(rest.at(np.arange(1)).beats(rest))
            left[0] = False
            places, rest = places[left], rest.at(left)
        return np.array(found, np.int64)
