"""The dispatcher of a search's trials: adopted ones, paused ones that may go on, new ones."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from automl.bounds.bound import Bound
from automl.faults import Faults
from automl.recipe import Report
from automl.space.space import Space, TrialConfig
from automl.study.background import BackgroundThread
from automl.study.overview import FAULTS
from automl.study.propose import warm_start
from automl.study.propose.in_the_making import InTheMaking
from automl.study.propose.knowledge import Happening, happenings
from automl.study.propose.proposer import Proposal, Proposer, ProposerOptions
from automl.study.record import Course, TrialRecord
from automl.study.slots import Slots
from automl.study.stopping.rung_entry import RungEntryOf, no_rung
from automl.study.stopping.stop_rule import StopRule
from automl.study.study import Study
from automl.study.trial_id import TrialId
from automl.study.under_way import Plan, UnderWay
from automl.trial.result import TrialResult
from automl.trial.time_limit import TIME_UP


@dataclass(frozen=True)
class DispatcherOptions:
    """The options of a dispatcher.

    `slots` trials work at once, `max_live` are handed out at once, `max_trials` are started in
    all; `reuse` has new compressions proposed of what was trained. `lengthen` has those members of
    the front made anew that an earlier run shortened for want of time. `rung_entry` says where
    a report is compared, and `thread` is what draws and writes beside the search's loop. `faults`
    has what raised, and is written with the trials.
    """

    slots: int = 1
    max_live: int = 1
    max_trials: float = math.inf
    reuse: bool = True
    lengthen: bool = False
    rung_entry: RungEntryOf = no_rung
    thread: type[BackgroundThread] = BackgroundThread
    faults: Faults = field(default_factory=Faults)


class Dispatcher:
    """Hands out the trials of a search, and takes what becomes of them.

    Each slot that a trial leaves, ended or paused, is given away at that moment: to a paused
    trial that may go on, else to a proposal, drawn on a thread while others run. So a proposal
    sees just what was known until then, or of many slots when its batch was drawn, and one slot
    repeats exactly, resumed or not. The search is written on a thread of its own, in order. With
    several slots a proposal waits while another trial makes a prefix of its; `is_stored(key)` says
    whether a prefix's artifact is there.
    """

    def __init__(
        self,
        study: Study,
        space: Space,
        space_source: str,
        is_stored: Callable[[str], bool],
        bound_of: Callable[[TrialConfig], Bound],
        options: DispatcherOptions,
    ) -> None:
        self.study, self.options, self.rule = study, options, StopRule()
        self.drawing, self.writing = options.thread("draws"), options.thread("study")
        self.under_way = UnderWay(space, space_source)
        self.making = InTheMaking(is_stored, options.slots)
        self.slots = Slots(options.max_live, self._to_resume, self._propose)
        self.proposer = Proposer(
            study.settings,
            space,
            self.under_way.keys,
            bound_of,
            ProposerOptions(options.reuse, options.slots, self.making.leaves_out, options.faults),
            warm_start.kept(study, space),
        )
        self.num_started = self.num_handouts = 0
        self._take_over(study.records())

    def next(self) -> TrialRecord | None:
        """The next trial, noted as running; None when all must wait, or `is_over`."""
        under_way = self.under_way
        if len(under_way.live) >= self.slots.max_live:
            return None
        if under_way.adopted:
            return self._hand_out(next(iter(under_way.adopted)))
        ready = self.making.ready()
        return self._from_slots() if ready is None else self._start(ready)

    def resize(self, slots: int, max_live: int) -> None:
        """Note that the cluster has grown or shrunk, and has other slots and live trials now."""
        if slots != self.options.slots:
            running = {trial: self.under_way.plans[trial].keys for trial in self.under_way.live}
            self.making.resize(slots, running)
        self.options = replace(self.options, slots=slots, max_live=max_live)
        self.slots.max_live = max_live
        self.slots.fill(self.under_way.num_taken())

    def is_over(self) -> bool:
        """Tell whether nothing runs, and nothing more will."""
        return not (self.under_way.num_taken() or self.slots.given or self.making.waiting)

    def has_started_all(self) -> bool:
        """Tell whether the trials that run are the last, and no other waits for a slot."""
        is_last = self.num_started >= self.options.max_trials or not self.slots.is_open
        waits = self.under_way.adopted or self.slots.given or self.making.waiting
        return is_last and not waits

    def goes_on(self, trial: TrialId, report: Report, seconds: float = 0.0) -> bool:
        """Take a trial's report; False pauses the trial.

        `seconds` are those that the trial has worked since it was handed out.
        """
        self.making.reach(trial, report.step)
        plan = self.under_way.plans[trial]
        entry = self.options.rung_entry(plan.config, plan.keys, report)
        goes_on = self.rule.goes_on(trial, *(entry or ()))
        if not goes_on:
            self._pause(trial, seconds)
        elif self.rule.changed:
            self._write_rungs()
        return goes_on

    def end(self, trial: TrialId, result: TrialResult) -> TrialRecord:
        """Take how a trial ended: it is written, and the proposer learns of it."""
        record = self._leaving(trial)
        result = replace(result, seconds=result.seconds + record.course.seconds)
        record = replace(record, result=result, config=result.config)
        self.under_way.plans.pop(trial, None)
        self.rule.end(trial)
        self.writing(self.study.end, record)
        self.write_faults()
        self._left(record)
        return record

    def why_unfinished(self, trial: TrialId) -> str:
        """The reason why the search's end finds a trial unfinished."""
        paused = self.rule.paused.get(trial)
        if paused is None:
            return TIME_UP
        rung = paused.rung
        return f"after epoch {rung.epoch} of {rung.step} it was not among the best third"

    def close_slots(self) -> None:
        """Give no more slots away: the trials that run are to be the last."""
        self.slots.is_open = False

    def write_faults(self) -> None:
        """Write what has raised since this was last done."""
        if (faults := self.options.faults.take_changed()) is not None:
            self.writing(self.study.set_attribute, FAULTS, faults)

    def close(self) -> None:
        """Wait until all is drawn and written."""
        self.drawing.close()
        self.write_faults()
        self.writing.close()

    def _from_slots(self) -> TrialRecord | None:
        """The trial of the first slot that was given away and need not be waited for."""
        while (holder := self.slots.first(may_wait=bool(self.under_way.live))) is not None:
            if isinstance(holder, TrialId):
                self._write_rungs()
                return self._hand_out(holder)
            if self.making.waiting and not holder.is_new:
                # Nothing new is there but what waits: better wait, too, than repeat a trial.
                return None
            if not self.making.has_any(holder.keys):
                return self._start(holder)
            self.making.wait(holder)
            if not (self.making.is_full() and (holder.is_last_resort or self.making.few_slots)):
                self.slots.give()
        return None

    def _start(self, proposal: Proposal) -> TrialRecord:
        candidate = proposal.candidate
        self.num_handouts += 1
        record = TrialRecord(
            id=TrialId(self.num_started),
            params=candidate.params,
            distributions=candidate.distributions,
            drawing=proposal.drawing,
            course=Course(handout=self.num_handouts),
        )
        self.num_started += 1
        self.under_way.plans[record.id] = Plan(candidate.config, proposal.keys)
        self.writing(self.study.start, record)
        self._begin(record)
        if not self.making.few_slots:
            self.slots.fill(self.under_way.num_taken())
        return record

    def _hand_out(self, trial: TrialId) -> TrialRecord:
        """Hand out a trial that was started before."""
        self.num_handouts += 1
        record = self.under_way.take(trial).on_course(handout=self.num_handouts)
        self.writing(self.study.update, record)
        return self._begin(replace(record, is_resumed=True))

    def _begin(self, record: TrialRecord) -> TrialRecord:
        self.under_way.live[record.id] = record
        self.making.begin(record.id, self.under_way.keys_of(record))
        return record

    def _pause(self, trial: TrialId, seconds: float) -> None:
        record = self._leaving(trial)
        record = record.on_course(seconds=record.course.seconds + seconds)
        self.under_way.paused[trial] = record
        # Most never go on, and a plan is large.
        self.under_way.plans.pop(trial, None)
        self._write_rungs(last=trial)
        self._left(record)

    def _leaving(self, trial: TrialId) -> TrialRecord:
        """Take out a trial that leaves its slot."""
        self.making.end(trial)
        record = self.under_way.take(trial)
        return record.on_course(departure=self.slots.num_departures + 1)

    def _left(self, record: TrialRecord) -> None:
        self.drawing(self.proposer.learn, record)
        self.slots.leave(self.under_way.num_taken())

    def _write_rungs(self, last: TrialId | None = None) -> None:
        """Write what changed of trials' rungs, in order but for the `last`."""
        for trial in sorted(self.rule.changed, key=lambda trial: (trial == last, trial)):
            record = self.under_way.get(trial).on_course(rungs=self.rule.state(trial))
            self.writing(self.study.update, self.under_way.change(record))
        self.rule.changed.clear()

    def _to_resume(self) -> TrialId | None:
        """A paused trial that may go on now, and does."""
        trial = self.rule.to_resume()
        if trial is None:
            return None
        if self.making.has_any(self.under_way.keys_of(self.under_way.paused[trial])):
            return None
        self.rule.resume(trial)
        return trial

    def _propose(self) -> Future[Proposal | None] | None:
        """Have the next trial drawn; None when there are enough."""
        num_drawing, making = self.slots.num_drawing, self.making
        if self.num_started + len(making.waiting) + num_drawing >= self.options.max_trials:
            return None
        if num_drawing and not making.few_slots and making.is_full(num_drawing):
            return None
        return self.drawing(self.proposer.propose, self.slots.num_departures)

    def _take_over(self, records: list[TrialRecord]) -> None:
        """Go on where an earlier run ended; what it left running runs again.

        The slots that are free now were left last, one by one: each proposal sees what was known
        by then.
        """
        self.study.tell_ended()
        under_way, slots = self.under_way, self.slots
        for record in sorted(records, key=lambda record: record.course.handout):
            if record.result is None:
                waiting = under_way.paused if record.is_paused else under_way.adopted
                waiting[record.id] = record
        self.num_started = len(records)
        self.num_handouts = max((record.course.handout for record in records), default=0)
        num_departures = max((record.course.departure for record in records), default=0)
        states = {record.id: record.course.rungs for record in records}
        self.rule.restore(states, under_way.adopted, under_way.paused)
        ahead = deque(happenings(records))
        if self.options.lengthen:
            members = self.study.front(records).members
            shortened = [r.params for r in members if r.result and r.result.shortened]
            self._learn_until(num_departures, ahead)
            self.drawing(self.proposer.repeat, shortened)
        num_free = max(0, slots.max_live - len(under_way.adopted))
        for departures in range(num_departures - num_free + 1, num_departures + 1):
            slots.num_departures = max(0, departures)
            self._learn_until(departures, ahead)
            slots.give()
        slots.num_departures = num_departures
        self._learn_until(num_departures, ahead)

    def _learn_until(self, departures: int, ahead: deque[Happening]) -> None:
        """Let the proposer learn what happened up to a number of departures."""
        while ahead and ahead[0].departures <= departures:
            happening = ahead.popleft()
            proposer = self.proposer
            learn = proposer.learn_start if happening.is_start else proposer.learn
            self.drawing(learn, happening.record)
