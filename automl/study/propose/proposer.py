"""What to try next: the candidate of most worth, screened before any work."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from threadpoolctl import ThreadpoolController

from automl.space.initial_points import given
from automl.space.priors import leaning, likely
from automl.space.sampling import replay, uniform
from automl.space.space import Space, TrialConfig
from automl.study.front import Front
from automl.study.propose.candidates import (
    LEANING_SHARE,
    Candidate,
    Params,
    candidates,
    key,
    stratified,
    walk,
)
from automl.study.propose.ranking import History, Ranker, told, work
from automl.study.propose.sampler_memory import Mirror
from automl.study.propose.screening import MAX_IN_A_ROW, WEIGHT_OF_POOL, screen
from automl.study.record import Settings, TrialRecord
from automl.study.stopping.rung_entry import Bound

RANKED = "tpe"
"""The sampler whose draw stands among others."""
NUM_SPREAD = 5
"""So many of the first trials spread evenly over the space, unless others are known already."""
CHOICES = 4
"""Each of them is the cheapest of so many."""
MIN_COMPLETE = 4
"""So many trials complete before others are foretold."""
MAX_PENDING = 32
"""Of the trials that others run, so many, the latest, are foretold beside a new one."""
SLOTS_AT_EASE = 32
"""The sampler's own draw is as much work as all others: with more slots, not each time."""
POOL, SMALLEST_POOL = 96, 16
"""Candidates for a slot, and, shared among many slots, at least."""


@dataclass(frozen=True)
class Drawn:
    """A trial that is not started yet: `draw` counts all draws up to it, `after` is how many
    trials had left their place by then."""

    candidate: Candidate
    distributions: dict[str, BaseDistribution]
    keys: list[str]
    draw: int
    after: int
    is_new: bool = True
    screened: list[dict[str, Any]] = field(default_factory=list)


Event = tuple[int, bool, TrialRecord]
"""How many trials had left their place by then, and whether this one began there, or else left."""


def course(records: Sequence[TrialRecord]) -> list[Event]:
    """What a drawer is to note and to learn of these trials, in the order in which it did."""
    ended = [(record.left, False, record) for record in records if record.left]
    begun = [(record.after, True, record) for record in records]
    return sorted(ended + begun, key=lambda event: (*event[:2], event[2].draw))


class Drawer:
    """Learns of results and draws.

    Each draw is seeded by its count and sees what was told before it, so that a resumed study
    goes on as it would have. `keys_of` gives what a trial makes, `bound_of` what is known of it
    before. The points given come first, or what the space marks as likely; the default sampler
    then spreads some over the space. Once enough have completed, its draw stands beside
    relatives of the front's members and (`reuse`) new compressions of what they had trained,
    and the one of most worth is taken.
    """

    def __init__(
        self,
        settings: Settings,
        space: Space,
        keys_of: Callable[[TrialConfig], list[str]],
        bound_of: Callable[[TrialConfig], Bound],
        earlier: Sequence[TrialRecord] = (),
        *,
        reuse: bool = True,
        slots: int = 1,
    ) -> None:
        self.settings, self.space, self.reuse = settings, space, reuse
        self.keys_of, self.bound_of = keys_of, bound_of
        self.pool_size = max(SMALLEST_POOL, POOL // max(1, slots // 2))
        self.ask_every = max(1, slots // SLOTS_AT_EASE)
        self.mirror, self.ranker = Mirror(settings), Ranker(settings, space)
        self.seen: set[str] = set()
        self.pending: dict[str, tuple[Candidate, Bound]] = {}
        self.history = History()
        self.front = Front(settings)
        self.num_draws = 0
        self.libraries = ThreadpoolController()
        for record in earlier:
            # Of a study before this one: known, but no trial of this one's front.
            other = replace(record, number=-1 - record.number)
            self.mirror.tell(other)
            self._model(other)
        self.num_spread = NUM_SPREAD if len(self.history.told) < MIN_COMPLETE else 0

    def note(self, record: TrialRecord) -> None:
        """Know of a trial that was started by an earlier run, as of one drawn here."""
        self.num_draws = record.draw
        for params in record.screened:
            self._screen(walk(self.space, replay(params)))
        self._expect(walk(self.space, replay(record.params), record.parent))

    def learn(self, record: TrialRecord) -> None:
        """Take in how a trial ended, or that it is paused."""
        self.mirror.tell(record)
        known = self.pending.pop(key(record.params), None)
        self._model(record, known)
        self.front.add(record)

    def draw(self, after: int) -> Drawn:
        """The next proposal; one that was made before only after many tries.

        On one thread: more would take the cores from the trials, and small matrices gain nothing.
        """
        with self.libraries.limit(limits=1, user_api="blas"):
            return self._draw(after)

    def _draw(self, after: int) -> Drawn:
        screened: list[dict[str, Any]] = []
        refuses = screen(self.settings, self.front.members)
        num_refused = 0
        while True:
            candidate, weight = self._next(refuses)
            is_new = candidate.key not in self.seen
            is_fit = is_new and not refuses(self.bound_of(candidate.config))
            if is_fit or num_refused >= MAX_IN_A_ROW:
                break
            num_refused += weight
            screened.append(candidate.params)
            self._screen(candidate)
        self._expect(candidate)
        keys = self.keys_of(candidate.config)
        return Drawn(
            candidate, candidate.distributions, keys, self.num_draws, after, is_new, screened
        )

    def _next(self, refuses: Callable[[Bound], bool]) -> tuple[Candidate, int]:
        """A candidate, and as how many it counts when it is refused."""
        number, self.num_draws = self.num_draws, self.num_draws + 1
        seed = (self.settings.seed * 100_003 + number) % 2**32
        rng, points = random.Random(seed), self.settings.initial_points or ({},)
        if number < len(points):
            return walk(self.space, given(points[number], likely(uniform(rng)))), 1
        if self.settings.sampler != RANKED:
            return self.mirror.ask(self.space, seed, LEANING_SHARE), 1
        if number < len(points) + self.num_spread:
            return self._cheap(number, rng), 1
        if len(self.history.told) < MIN_COMPLETE:
            return walk(self.space, leaning(uniform(rng), rng, LEANING_SHARE)), 1
        return self._best_of_many(seed, rng, refuses), WEIGHT_OF_POOL

    def _cheap(self, number: int, rng: random.Random) -> Candidate:
        """Of some that spread evenly over the space the one of least work: the first trials are
        to say something soon."""
        spread = [
            walk(self.space, leaning(stratified(number, seed, NUM_SPREAD), rng, LEANING_SHARE))
            for seed in (f"{self.settings.seed} {choice}" for choice in range(CHOICES))
        ]
        return min(spread, key=lambda one: work(*self._known(one)))

    def _best_of_many(
        self, seed: int, rng: random.Random, refuses: Callable[[Bound], bool]
    ) -> Candidate:
        """The candidate of most worth, of those that are new and not of no use."""
        members = self.front.members
        good = [record.params for record in members] or [self.history.told[-1].candidate.params]
        parents = self._parents(members) if self.reuse else {}
        pool = [*candidates(self.space, good, parents, rng, self.pool_size)]
        if self.num_draws % self.ask_every == 0:
            pool.insert(0, self.mirror.ask(self.space, seed, 0.0))
        new = {c.key: c for c in pool if c.key not in self.seen}
        fit = [pair for pair in map(self._known, new.values()) if not refuses(pair[1])]
        if not fit:
            return pool[0]
        pending = list(self.pending.values())[-MAX_PENDING:]
        places = np.array([self.history.by_number[record.number].place for record in members])
        places = places.reshape(-1, len(self.settings.axes))
        return fit[self.ranker.best_first(self.history, places, fit, pending)[0]][0]

    def _parents(self, members: Sequence[TrialRecord]) -> dict[int, Params]:
        """The trainings of those that were compressed after it, by number."""
        known = [self.history.by_number[record.number].candidate for record in members]
        pairs = zip(members, known, strict=True)
        return {record.number: one.training for record, one in pairs if one.tail}

    def _known(self, candidate: Candidate) -> tuple[Candidate, Bound]:
        return candidate, self.bound_of(candidate.config)

    def _model(self, record: TrialRecord, known: tuple[Candidate, Bound] | None = None) -> None:
        if record.result is not None and record.result.status == "complete":
            known = known or self._known(walk(self.space, replay(record.params)))
            self.history.add(told(record, *known, self.settings))

    def _expect(self, candidate: Candidate) -> None:
        self.seen.add(candidate.key)
        self.pending[candidate.key] = self._known(candidate)

    def _screen(self, candidate: Candidate) -> None:
        """The sampler learns of a refused proposal, unless it knows it already."""
        if candidate.key not in self.seen:
            self.seen.add(candidate.key)
            self.mirror.screened(candidate)
