"""The knowledge that proposals are made from: what was seen, what runs, and how trials ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from automl.bounds.bound import Bound
from automl.errors import UserError
from automl.faults import Faults
from automl.space.domains import Params, Suggest
from automl.space.sampling import replay
from automl.space.space import Space, TrialConfig
from automl.study.front import Front
from automl.study.propose.candidates import Candidate, digest, key, walk
from automl.study.propose.history import History, observe
from automl.study.propose.sampler_memory import SamplerMemory
from automl.study.record import Settings, TrialRecord
from automl.study.trial_id import TrialId


@dataclass(frozen=True)
class Happening:
    """A trial's start or departure, in the order in which a proposer learns of them.

    `departures` is how many trials had left their slot by then, this one included if it left.
    """

    departures: int
    is_start: bool
    record: TrialRecord


def happenings(records: Sequence[TrialRecord]) -> list[Happening]:
    """All that a proposer is to learn of these trials, in the order in which it did."""
    left = [Happening(r.course.departure, False, r) for r in records if r.course.departure]
    started = [Happening(r.drawing.drawn_after, True, r) for r in records]
    return sorted(
        left + started, key=lambda h: (h.departures, h.is_start, h.record.drawing.num_draws)
    )


class Knowledge:
    """The knowledge of a search's trials when the next is proposed.

    `seen` are the digests of all candidates proposed or screened; `pending` are those that run.
    `faults` has the candidates that could not be drawn.
    """

    def __init__(
        self,
        settings: Settings,
        space: Space,
        bound_of: Callable[[TrialConfig], Bound],
        faults: Faults,
    ) -> None:
        self.settings, self.space, self.bound_of = settings, space, bound_of
        self.faults = faults
        self.sampler = SamplerMemory(settings)
        self.history = History()
        self.front = Front(settings)
        self.seen: set[bytes] = set()
        self.pending: dict[str, tuple[Candidate, Bound]] = {}

    def learn_earlier(self, record: TrialRecord) -> None:
        """Take in a trial of the search that a warm start names: it is on no front of ours."""
        self.sampler.learn(record)
        self._observe(record)

    def learn_start(self, record: TrialRecord) -> None:
        """Take in a trial that an earlier run started, as if it were proposed now."""
        for params in record.drawing.screened:
            if (screened := self.walk(replay(params))) is not None:
                self.screen(screened)
        self.seen.update(digest(key(params)) for params in record.drawing.undrawn)
        candidate = self.walk(replay(record.params), record.drawing.parent)
        if candidate is not None:
            self.expect(candidate)

    def learn(self, record: TrialRecord) -> None:
        """Take in how a trial ended, or that it is paused."""
        self.sampler.learn(record)
        self.front.add(record)
        self._observe(record, self.pending.pop(key(record.params), None))

    def walk(self, suggest: Suggest, parent: TrialId | None = None) -> Candidate | None:
        """The candidate that these suggestions make; None, noted as a fault, where a class of the
        user's refuses to be made so."""
        try:
            return walk(self.space, suggest, parent)
        except UserError as error:
            self.faults.note("candidate", "could not be drawn", error)
            return None

    def expect(self, candidate: Candidate) -> None:
        """Note that a candidate is proposed."""
        self.seen.add(candidate.digest)
        self.pending[candidate.key] = self.bounded(candidate)

    def screen(self, candidate: Candidate) -> None:
        """Have the sampler learn of a refused candidate, unless it knows that one already."""
        if candidate.digest not in self.seen:
            self.seen.add(candidate.digest)
            self.sampler.screen(candidate)

    def bounded(self, candidate: Candidate) -> tuple[Candidate, Bound]:
        return candidate, self.bound_of(candidate.config)

    def members(self) -> list[Params]:
        """The parameters of the front's members; of the last observation while it is empty."""
        members = [record.params for record in self.front.members]
        return members or [self.history.observations.kept[-1].candidate.params]

    def parents(self) -> dict[TrialId, Params]:
        """The trainings of those members of the front that were compressed after it."""
        known = [self.history.by_id[record.id] for record in self.front.members]
        return {one.trial: one.candidate.training for one in known if one.candidate.tail}

    def _observe(self, record: TrialRecord, known: tuple[Candidate, Bound] | None = None) -> None:
        if not record.is_complete:
            return
        if known is None and (candidate := self.walk(replay(record.params))) is not None:
            known = self.bounded(candidate)
        if known is not None:
            self.history.add(observe(record, *known, self.settings, self.front.limits))
            self.history.forget({member.id for member in self.front.unbeaten})
