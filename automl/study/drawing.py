"""What to try next: the candidate of most worth, screened before any work."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.distributions import BaseDistribution

from automl.points import given
from automl.priors import leaning, likely
from automl.space import Space, TrialConfig, replay, uniform
from automl.study.candidates import Candidate, branches, changes, walk
from automl.study.front import Front
from automl.study.judging import Bound
from automl.study.mirror import Mirror
from automl.study.screening import MAX_IN_A_ROW, refuses
from automl.study.study import Settings, TrialRecord
from automl.study.worth import Told, Worth, place_of, told

LEANING_SHARE = 0.5
"""How often a random draw takes what is likely."""
STARTUP_COMPLETE = 8
"""So many trials complete before their like is foretold."""
NUM_CHANGES, NUM_RANDOM, NUM_BRANCHES = 12, 4, 24
MAX_PARENTS = 12
MODELLED = 250
"""The latest trials that the surrogates are fitted to."""


@dataclass(frozen=True)
class Drawn:
    """A trial that is not started yet: `draw` counts all draws up to it, `after` is how many
    trials had left their place by then."""

    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    config: TrialConfig
    keys: list[str]
    draw: int
    after: int
    parent: int | None = None
    is_new: bool = True
    screened: list[dict[str, Any]] = field(default_factory=list)


class Drawer:
    """Learns of results and draws.

    Each draw is seeded by its count and sees what was told before it, so that a resumed study
    goes on as it would have. `keys_of` gives what a trial makes, `bound_of` what is known of it
    before. The points given come first, or what the space marks as likely; then a sampler
    draws by itself. Once enough trials have completed, its draw
    stands beside changes of the front's members and (`reuse`) new compressions of what they had
    trained, and the one of most worth is taken.
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
    ) -> None:
        self.settings, self.space, self.reuse = settings, space, reuse
        self.keys_of, self.bound_of = keys_of, bound_of
        self.mirror, self.worth = Mirror(settings), Worth(settings, space)
        self.seen: set[str] = set()
        self.pending: dict[str, Candidate] = {}
        self.complete: dict[int, Told] = {}
        self.front = Front(settings)
        self.num_draws = self.num_fitted = 0
        for record in earlier:
            # Of a study before this one: known, but no trial of this one's front.
            other = replace(record, number=-1 - record.number)
            self.mirror.tell(other)
            self._model(other, walk(space, replay(other.params)))

    def note(self, record: TrialRecord) -> None:
        """Know of a trial that was started by an earlier run, as of one drawn here."""
        self.num_draws = record.draw
        for params in record.screened:
            self._screen(walk(self.space, replay(params)))
        self._expect(walk(self.space, replay(record.params)))

    def learn(self, record: TrialRecord) -> None:
        """Take in how a trial ended, or that it is paused."""
        self.mirror.tell(record)
        candidate = self.pending.pop(json.dumps(record.params), None)
        if record.result is None or record.result.measurement is None:
            return
        self._model(record, candidate or walk(self.space, replay(record.params)))
        self.front.add(record)

    def draw(self, after: int) -> Drawn:
        """The next proposal; one that was made before only after many tries."""
        screened: list[dict[str, Any]] = []
        for _ in range(MAX_IN_A_ROW):
            candidate = self._next()
            is_new = json.dumps(candidate.params) not in self.seen
            if is_new and not refuses(
                self.bound_of(candidate.config), self.settings, self.front.members
            ):
                break
            screened.append(candidate.params)
            self._screen(candidate)
        self._expect(candidate)
        return Drawn(
            params=candidate.params,
            distributions=candidate.distributions,
            config=candidate.config,
            keys=self.keys_of(candidate.config),
            draw=self.num_draws,
            after=after,
            parent=candidate.parent,
            is_new=is_new,
            screened=screened,
        )

    def _next(self) -> Candidate:
        """The sampler's draw at first, later the best of many."""
        number, self.num_draws = self.num_draws, self.num_draws + 1
        seed = (self.settings.seed * 100_003 + number) % 2**32
        rng, points = random.Random(seed), self.settings.points or ({},)
        if number < len(points):
            return walk(self.space, given(points[number], likely(uniform(rng))))
        if len(self.complete) < STARTUP_COMPLETE or self.settings.sampler == "random":
            return self.mirror.ask(self.space, seed, LEANING_SHARE)
        self._fit()
        found = [self.mirror.ask(self.space, seed, 0.0), *self._others(rng)]
        texts = [json.dumps(candidate.params) for candidate in found]
        new = {text: c for text, c in zip(texts, found, strict=True) if text not in self.seen}
        candidates = list(new.values()) or found[:1]
        bounds = [self.bound_of(candidate.config) for candidate in candidates]
        pending = [(c, self.bound_of(c.config)) for c in self.pending.values()]
        places = [place_of(record, self.settings) for record in self.front.members]
        return candidates[self.worth.order(candidates, bounds, places, pending)[0]]

    def _others(self, rng: random.Random) -> Iterator[Candidate]:
        good = [record.params for record in self.front.members]
        yield from changes(self.space, good, NUM_CHANGES, rng)
        for _ in range(NUM_RANDOM):
            yield walk(self.space, leaning(uniform(rng), rng, LEANING_SHARE))
        if self.reuse:
            parents = [(record.number, record.params) for record in self.front.members]
            yield from branches(self.space, parents, good, NUM_BRANCHES, rng)

    def _fit(self) -> None:
        """Fit to what completed; of many, only now and then, at counts that do not depend on
        when it was asked for."""
        count = len(self.complete)
        count -= count % max(1, count // 20)
        if count != self.num_fitted:
            self.num_fitted = count
            self.worth.learn(list(self.complete.values())[:count][-MODELLED:])

    def _model(self, record: TrialRecord, candidate: Candidate) -> None:
        bound = self.bound_of(candidate.config)
        if record.result is not None and record.result.measurement is not None:
            self.complete[record.number] = told(record, candidate, bound, self.settings)

    def _expect(self, candidate: Candidate) -> None:
        text = json.dumps(candidate.params)
        self.seen.add(text)
        self.pending[text] = candidate

    def _screen(self, candidate: Candidate) -> None:
        """The sampler learns of a refused proposal, unless it knows it already."""
        text = json.dumps(candidate.params)
        if text not in self.seen:
            self.seen.add(text)
            self.mirror.screened(candidate)
