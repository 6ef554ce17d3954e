"""The proposer of the next trial: the candidate of most worth, screened before any work."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from threadpoolctl import ThreadpoolController

from automl.bounds.bound import Bound
from automl.faults import Faults
from automl.space.domains import Params
from automl.space.initial_points import given
from automl.space.priors import leaning, likely
from automl.space.sampling import replay, uniform
from automl.space.space import Space, TrialConfig
from automl.study.propose.affordable import Affordable
from automl.study.propose.candidates import (
    LEANING_SHARE,
    Candidate,
    candidates,
    digest,
    key,
    stratified,
)
from automl.study.propose.knowledge import Knowledge
from automl.study.propose.ranking import Known, Ranker, work
from automl.study.propose.screening import MAX_IN_A_ROW, WEIGHT_OF_MANY, screen
from automl.study.record import Drawing, Settings, TrialRecord

RANKED = "tpe"
"""The sampler whose draw stands among other candidates."""
NUM_SPREAD = 5
"""The first trials that spread evenly over the space, unless others are known already."""
CHOICES = 4
"""Each of those is the cheapest of this many."""
MIN_COMPLETE = 4
"""The complete trials from which on the ends of others are foretold."""
MAX_PENDING = 32
"""The latest running trials whose ends are foretold beside a new one's."""
SLOTS_AT_EASE = 16
"""For each so many slots a batch has one proposal: of those that come together, none is worth a
model and a sampler's draw of its own."""
NUM_CANDIDATES, LEAST_CANDIDATES, LEAST_IN_BATCH = 96, 16, 4
"""Candidates for one slot, and for each proposal the least: when they are shared among many slots,
and when they are in a batch of more than all of the first."""


def nothing_left_out(keys: list[str]) -> bool:
    """Leave no candidate out, whatever it makes."""
    return False


@dataclass(frozen=True)
class ProposerOptions:
    """The options of a proposer: new compressions of what was trained (`reuse`), and the slots.

    `leaves_out(keys)` tells of all that a trial makes whether a draw is to be another one.
    `faults` has what raised in a draw.
    """

    reuse: bool = True
    slots: int = 1
    leaves_out: Callable[[list[str]], bool] = nothing_left_out
    faults: Faults = field(default_factory=Faults)

    @property
    def batch(self) -> int:
        """The proposals that are drawn together."""
        return max(1, self.slots // SLOTS_AT_EASE)

    @property
    def num_candidates(self) -> int:
        """The candidates of a batch."""
        alone = max(LEAST_CANDIDATES, NUM_CANDIDATES // max(1, self.slots // 2))
        return max(min(alone * self.batch, NUM_CANDIDATES), LEAST_IN_BATCH * self.batch)


@dataclass(frozen=True)
class Proposal:
    """A trial that is not started yet; `keys` name all that it makes.

    A proposal that is not new was made before: the space is used up. One of last resort would
    have been left out, as all before it.
    """

    candidate: Candidate
    keys: list[str]
    drawing: Drawing
    is_new: bool = True
    is_last_resort: bool = False


class Proposer:
    """Learns how trials ended, and proposes the next.

    Each draw is seeded by its count and sees what was learned before, so that a resumed search
    goes on as it would have. `keys_of` names what a trial makes, `bound_of` what is known of the
    trial before. The points given come first, or what the space marks as likely; the default
    sampler then spreads some trials over the space. Once enough have completed, its draw stands
    beside relatives of the front's members and (`reuse`) new compressions of what they had
    trained, and the candidate of most worth is taken. With many slots a whole batch is taken,
    each of most worth beside those before it, for the draws that follow.
    """

    def __init__(
        self,
        settings: Settings,
        space: Space,
        keys_of: Callable[[TrialConfig], list[str]],
        bound_of: Callable[[TrialConfig], Bound],
        options: ProposerOptions,
        earlier: Sequence[TrialRecord] = (),
    ) -> None:
        self.settings, self.space, self.keys_of, self.options = settings, space, keys_of, options
        self.known = Knowledge(settings, space, bound_of, options.faults)
        self.ranker = Ranker(settings, space)
        self.affordable, self.again = Affordable(), list[Params]()
        self.batch = list[Candidate]()
        self.num_draws = 0
        self.libraries = ThreadpoolController()
        self.screened_by: tuple[TrialRecord, ...] = ()
        self.refuses = screen(settings, ())
        for record in earlier:
            self.known.learn_earlier(record)
        knows_enough = len(self.known.history.observations) >= MIN_COMPLETE
        self.num_spread = 0 if knows_enough else NUM_SPREAD

    def learn_start(self, record: TrialRecord) -> None:
        """Know of a trial that was started by an earlier run, as of one proposed here."""
        self.num_draws = record.drawing.num_draws
        self.known.learn_start(record)

    def learn(self, record: TrialRecord) -> None:
        """Take in how a trial ended, or that it is paused."""
        self.known.learn(record)

    def repeat(self, params: Sequence[Params]) -> None:
        """Propose these trials anew before any other: there is more time than there was."""
        self.again = list(params)
        for known in map(key, params):
            self.known.seen.discard(digest(known))

    def afford(self, record: TrialRecord, config: TrialConfig, seconds: float) -> None:
        """Learn from a trial, which ran as this config, what is too long for these seconds."""
        assert record.result is not None
        self.affordable.learn(config, self.known.bound_of(config), record.result, seconds)

    def propose(self, num_departures: int) -> Proposal | None:
        """Draw the next trial, when `num_departures` trials have left their slot.

        A trial that was proposed before comes only after many tries. The draw runs on one thread:
        more would take the cores from the trials, and small matrices gain nothing. None when the
        user's classes refuse all that is drawn.
        """
        with self.libraries.limit(limits=1, user_api="blas"):
            return self._propose(num_departures)

    def _propose(self, num_departures: int) -> Proposal | None:
        screened, undrawn = list[Params](), list[Params]()
        refuses = self._screen()
        num_refused = num_undrawn = num_left_out = 0
        while num_undrawn < MAX_IN_A_ROW:
            is_asked_for = bool(self.again) or self.num_draws < len(self._points())
            is_reference = self._is_reference_next()
            candidate, weight = self._next(refuses)
            if candidate is None:
                num_undrawn += weight
                continue
            if (keys := self._keys(candidate)) is None:
                num_undrawn += 1
                undrawn.append(candidate.params)
                self.known.seen.add(candidate.digest)
                continue
            is_new = candidate.digest not in self.known.seen
            is_fit = is_new and (
                is_reference or not self._is_refused(*self.known.bounded(candidate), refuses)
            )
            if is_fit or num_refused >= MAX_IN_A_ROW:
                is_left_out = not is_asked_for and self.options.leaves_out(keys)
                num_left_out += is_left_out
                if is_left_out and num_left_out < MAX_IN_A_ROW:
                    continue
                self.known.expect(candidate)
                others = tuple(screened), tuple(undrawn)
                drawing = Drawing(self.num_draws, num_departures, candidate.parent, *others)
                return Proposal(candidate, keys, drawing, is_new, is_left_out)
            num_refused += weight
            screened.append(candidate.params)
            self.known.screen(candidate)
        return None

    def _screen(self) -> Callable[[Bound], bool]:
        """A function that tells whether a bound is of no use, by the front as it is now."""
        if (unbeaten := self.known.front.unbeaten) is not self.screened_by:
            self.screened_by, self.refuses = unbeaten, screen(self.settings, unbeaten)
        return self.refuses

    def _points(self) -> tuple[Params, ...]:
        """The points that come first; one is the likely one where none is given."""
        return self.settings.initial_points or ({},)

    def _keys(self, candidate: Candidate) -> list[str] | None:
        """The keys of a candidate; None, noted as a fault, where the user's own fingerprint or
        property of a config raises."""
        try:
            return self.keys_of(candidate.config)
        except Exception as error:
            self.options.faults.note("candidate", "could not be drawn", error, candidate.key)
            return None

    def _next(self, refuses: Callable[[Bound], bool]) -> tuple[Candidate | None, int]:
        """A candidate, if one could be drawn, and the refusals that it counts as when it is
        refused."""
        if self.again:
            return self.known.walk(replay(self.again.pop(0))), 1
        number, self.num_draws = self.num_draws, self.num_draws + 1
        seed = (self.settings.seed * 100_003 + number) % 2**32
        rng, points = random.Random(seed), self._points()
        if number == 0 and self.settings.reference_params:
            return self._reference(points[0], rng), 1
        if number < len(points):
            return self.known.walk(given(points[number], likely(uniform(rng)))), 1
        if self.settings.sampler != RANKED:
            return self.known.sampler.ask(self.known.walk, seed, LEANING_SHARE), 1
        if number < len(points) + self.num_spread:
            return self._cheap(number, rng), 1
        if len(self.known.history.observations) < MIN_COMPLETE:
            return self.known.walk(leaning(uniform(rng), rng, LEANING_SHARE)), 1
        return self._best_of_many(seed, rng, refuses), WEIGHT_OF_MANY

    def _is_reference_next(self) -> bool:
        """True of the draw of the reference, where a condition needs the quality that it has once
        it is trained: it is not refused for what it weighs."""
        return self.num_draws == 0 and not self.again and bool(self.settings.reference_params)

    def _reference(self, point: Params, rng: random.Random) -> Candidate | None:
        """The reference with a recipe whose steps suit it, the likely one if it does."""
        suggest = likely(uniform(rng))
        for _ in range(MAX_IN_A_ROW):
            candidate = self.known.walk(given(point, suggest))
            if candidate is not None and not self.known.bounded(candidate)[1].is_rejected:
                break
            suggest = uniform(rng)
        return candidate

    def _is_refused(
        self, candidate: Candidate, bound: Bound, refuses: Callable[[Bound], bool]
    ) -> bool:
        return refuses(bound) or self.affordable.refuses(candidate, bound)

    def _cheap(self, number: int, rng: random.Random) -> Candidate | None:
        """The candidate of least work among some that spread evenly over the space: the first
        trials are to say something soon."""
        spread = [
            self.known.walk(leaning(stratified(number, seed, NUM_SPREAD), rng, LEANING_SHARE))
            for seed in (f"{self.settings.seed} {choice}" for choice in range(CHOICES))
        ]
        drawn = [self.known.bounded(candidate) for candidate in spread if candidate is not None]
        return min(drawn, key=lambda known: work(*known))[0] if drawn else None

    def _best_of_many(
        self, seed: int, rng: random.Random, refuses: Callable[[Bound], bool]
    ) -> Candidate | None:
        """The next of the batch, or of a new one; another candidate where all are refused."""
        while self.batch:
            if self._fit([first := self.batch.pop(0)], refuses):
                return first
        considered = self._considered(seed, rng)
        if not (fit := self._fit(considered, refuses)):
            return considered[0] if considered else None
        first, *self.batch = [candidate for candidate, _ in self._best(fit)]
        return first

    def _considered(self, seed: int, rng: random.Random) -> list[Candidate]:
        """Candidates, the sampler's own draw first."""
        known, options = self.known, self.options
        good, parents = known.members(), known.parents() if options.reuse else {}
        drawn = [*candidates(known.walk, good, parents, rng, options.num_candidates)]
        asked = known.sampler.ask(known.walk, seed, 0.0)
        return drawn if asked is None else [asked, *drawn]

    def _fit(self, drawn: Sequence[Candidate], refuses: Callable[[Bound], bool]) -> Known:
        """Keep those that are new and not refused."""
        new = {c.key: c for c in drawn if c.digest not in self.known.seen}
        pairs = map(self.known.bounded, new.values())
        return [pair for pair in pairs if not self._is_refused(*pair, refuses)]

    def _best(self, fit: Known) -> Known:
        """A batch of those of most worth."""
        known = self.known
        pending = list(known.pending.values())[-MAX_PENDING:]
        front = known.history.coordinates(known.front.unbeaten, len(self.settings.axes))
        best = self.ranker.best(known.history, front, fit, pending, self.options.batch)
        return [fit[position] for position in best]
