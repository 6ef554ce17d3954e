"""Which trial comes next: a lost one, a paused one that may go on, or a new proposal."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

from automl.recipe import Report
from automl.space.sampling import replay, sample
from automl.space.space import Space, TrialConfig
from automl.space.store_keys import needed_keys
from automl.study.background import Later
from automl.study.propose import warm_start
from automl.study.propose.proposer import Drawer, Drawn, Event, course
from automl.study.record import TrialRecord
from automl.study.stopping.rung import Entry
from automl.study.stopping.rung_entry import Bound
from automl.study.stopping.stop_rule import Place, restored
from automl.study.study import Study
from automl.trial.result import TrialResult

MAX_HELD = 4
TIME_UP = "the search's time was up"

Judge = Callable[[TrialConfig, list[str], Report], tuple[Place, Entry] | None]


def no_rung(config: TrialConfig, keys: list[str], report: Report) -> None:
    """Judges nothing: every trial goes on to its end."""


class Proposer:
    """Hands out the trials of a study, and takes what becomes of them.

    Each place that a trial leaves, ended or paused, is given away at that moment: to a paused
    trial that may go on, else to a draw, made on a thread while others run. So a draw sees
    just what was told until then, and one slot repeats exactly, resumed or not. The study is
    written on a thread of its own, in order. With several `slots` a proposal waits while another
    trial makes a prefix of its; `is_stored(key)`, asked when a trial is handed out and whenever
    it comes to its next step, says whether a prefix's artifact is there.
    At most `max_live` trials are handed out at once, and `max_trials` are started in all.
    """

    def __init__(
        self,
        study: Study,
        space: Space,
        space_source: str,
        is_stored: Callable[[str], bool],
        bound_of: Callable[[TrialConfig], Bound],
        *,
        reuse: bool = True,
        slots: int = 1,
        max_live: int = 1,
        max_trials: float = float("inf"),
        judge: Judge,
        later: type[Later] = Later,
    ) -> None:
        self.study, self.space, self.space_source = study, space, space_source
        self.is_stored, self.slots = is_stored, slots
        self.max_live, self.max_trials, self.judge = max_live, max_trials, judge
        self.drawing, self.writing = later("draws"), later("study")
        earlier = warm_start.kept(study, space)
        self.drawer = Drawer(
            study.settings, space, self.keys, bound_of, earlier, reuse=reuse, slots=slots
        )
        self.live: dict[int, TrialRecord] = {}
        self.paused: dict[int, TrialRecord] = {}
        self.adopted: dict[int, TrialRecord] = {}
        self.making: dict[int, tuple[TrialConfig, list[str]]] = {}
        self.unmade: dict[int, set[str]] = {}
        self.at_step: dict[int, str] = {}
        self.being_made: Counter[str] = Counter()
        self.aside: dict[int, tuple[TrialConfig, list[str]]] = {}
        self.held: list[Drawn] = []
        self.may_be_ready = False
        self.places: deque[int | Future[Drawn]] = deque()
        self.num_started = self.num_turns = self.num_left = self.num_drawing = 0
        self.is_searching = True
        self._take_over(study.records())

    def next(self) -> TrialRecord | None:
        """The next trial, noted as running; None when all must wait, or `is_over`."""
        if len(self.live) >= self.max_live:
            return None
        if self.adopted:
            return self._hand_out(self.adopted.pop(next(iter(self.adopted))))
        ready = self._ready() if self.may_be_ready else None
        return self._from_places() if ready is None else self._start(ready)

    def resize(self, slots: int, max_live: int) -> None:
        """The cluster has grown or shrunk: so many trials work at once, so many are handed out."""
        self.slots, self.max_live = slots, max_live
        for number, (_, keys) in self.making.items():
            if not self.unmade[number]:
                self._note_unmade(number, keys)
        self._fill()

    def is_over(self) -> bool:
        """Whether nothing runs, and nothing more will."""
        return not (self.adopted or self.live or self.places or self.held)

    def unfinished(self) -> list[int]:
        return sorted([*self.adopted, *self.live, *self.paused])

    def goes_on(self, number: int, report: Report, seconds: float = 0.0) -> bool:
        """Take a trial's report; False pauses the trial.

        `seconds` are those that it has worked since it was handed out.
        """
        if self.at_step.get(number) != report.step:
            self.at_step[number] = report.step
            stored = {key for key in self.unmade[number] if self.is_stored(key)}
            self.unmade[number] -= stored
            self._release(stored)
        judged = self.judge(*self.making[number], report)
        goes_on = self.rule.goes_on(number, *(judged or ()))
        if not goes_on:
            self._pause(number, seconds)
        elif self.rule.changed:
            self._write_rungs()
        return goes_on

    def finish(self, number: int, result: TrialResult) -> TrialRecord:
        """A trial has ended; the sampler learns of it."""
        record = self._take(number)
        record = replace(record, result=replace(result, seconds=result.seconds + record.seconds))
        self.rule.end(number)
        self.writing(self.study.finish, number, record.result, self.num_left + 1)
        self.drawing(self.drawer.learn, record)
        self._leave()
        return record

    def _pause(self, number: int, seconds: float) -> None:
        made = self.making[number]
        record = self._take(number)
        self.aside[number] = made
        record = replace(record, seconds=record.seconds + seconds)
        self.paused[number] = record
        self._write_rungs(number, seconds=record.seconds, left=self.num_left + 1)
        self.drawing(self.drawer.learn, record)
        self._leave()

    def why_not(self, number: int) -> str:
        """Why a trial that the search's end finds unfinished is."""
        paused = self.rule.paused.get(number)
        if paused is None:
            return TIME_UP
        step, epoch = paused.place
        return f"after epoch {epoch} of {step.split()[0]} it was not among the better half"

    def wind_up(self) -> None:
        """Give no more places away: what leaves its own is to be the last."""
        self.is_searching = False

    def close(self) -> None:
        """Wait until all is drawn and written."""
        self.drawing.close()
        self.writing.close()

    def config(self, params: dict[str, Any]) -> TrialConfig:
        return sample(self.space, replay(params))

    def keys(self, config: TrialConfig) -> list[str]:
        """The keys of all that a trial makes, teachers included."""
        return needed_keys(config, self.space_source)

    def _from_places(self) -> TrialRecord | None:
        """What the places hold, in order, until one must be waited for."""
        while self.places:
            first = self.places[0]
            if isinstance(first, int):
                self.places.popleft()
                self._write_rungs()
                return self._hand_out(self.paused.pop(first))
            if self.live and not first.done():
                return None
            drawn = first.result()
            self.places.popleft()
            self.num_drawing -= 1
            if self.held and not drawn.is_new:
                # Nothing new is left but what waits: better wait, too, than repeat a trial.
                return None
            if not self._in_the_making(drawn):
                return self._start(drawn)
            self.held.append(drawn)
            if len(self.held) < MAX_HELD:
                self._give_place()
        return None

    def _start(self, drawn: Drawn) -> TrialRecord:
        record = TrialRecord(
            number=self.num_started,
            params=drawn.candidate.params,
            distributions=drawn.distributions,
            draw=drawn.draw,
            after=drawn.after,
            parent=drawn.candidate.parent,
            screened=drawn.screened,
            turn=self.num_turns + 1,
        )
        self.num_started += 1
        self.num_turns += 1
        self.writing(self.study.start, record)
        return self._make(record, drawn.candidate.config, drawn.keys)

    def _hand_out(self, record: TrialRecord) -> TrialRecord:
        """A trial that was started before."""
        self.num_turns += 1
        self.writing(partial(self.study.update, record.number, turn=self.num_turns))
        return self._make(replace(record, is_again=True), *self._made_before(record))

    def _made_before(self, record: TrialRecord) -> tuple[TrialConfig, list[str]]:
        """The config and keys of a trial that was started before."""
        if record.number not in self.aside:
            config = self.config(record.params)
            self.aside[record.number] = config, self.keys(config)
        return self.aside[record.number]

    def _make(self, record: TrialRecord, config: TrialConfig, keys: list[str]) -> TrialRecord:
        self.live[record.number], self.making[record.number] = record, (config, keys)
        self._note_unmade(record.number, keys)
        return record

    def _note_unmade(self, number: int, keys: list[str]) -> None:
        """Remember what a trial makes, where others might make the same meanwhile."""
        unmade = {key for key in keys if not self.is_stored(key)} if self.slots > 1 else set()
        self.unmade[number] = unmade
        self.being_made.update(unmade)

    def _release(self, keys: Iterable[str]) -> None:
        """A trial makes these no more: whoever waits for them may go on."""
        for key in keys:
            self.being_made[key] -= 1
            if not self.being_made[key]:
                del self.being_made[key]
                self.may_be_ready = True

    def _ready(self) -> Drawn | None:
        """Of those that waited, the first that need not any more."""
        for drawn in self.held:
            if not self._in_the_making(drawn):
                self.held.remove(drawn)
                return drawn
        self.may_be_ready = False
        return None

    def _write_rungs(self, number: int | None = None, **fields: Any) -> None:
        """Write what changed of trials' rungs; of one of them, last, other fields with it."""
        for other in sorted(self.rule.changed - {number}):
            self.writing(partial(self.study.update, other, rungs=self.rule.record(other)))
        if number is not None:
            rungs = self.rule.record(number)
            self.writing(partial(self.study.update, number, rungs=rungs, **fields))
        self.rule.changed.clear()

    def _take(self, number: int) -> TrialRecord:
        self.making.pop(number, None)
        self._release(self.unmade.pop(number, set()))
        self.at_step.pop(number, None)
        self.aside.pop(number, None)
        for records in (self.live, self.paused, self.adopted):
            if number in records:
                return records.pop(number)
        raise AssertionError(f"trial {number} is not under way")

    def _leave(self) -> None:
        """A place is free: count it, and give it away."""
        self.num_left += 1
        self._fill()

    def _fill(self) -> None:
        while len(self.live) + len(self.adopted) + len(self.places) < self.max_live:
            if not (self.is_searching and self._give_place()):
                return

    def _give_place(self) -> bool:
        number = self.rule.to_resume()
        if number is not None and not self._is_made_by_others(number):
            self.rule.resume(number)
            self.places.append(number)
        elif self.num_started + len(self.held) + self.num_drawing < self.max_trials:
            self.places.append(self.drawing(self.drawer.draw, self.num_left))
            self.num_drawing += 1
        else:
            return False
        return True

    def _is_made_by_others(self, number: int) -> bool:
        """Whether what a paused trial would go on with is in the making."""
        _, keys = self._made_before(self.paused[number])
        return any(key in self.being_made for key in keys)

    def _in_the_making(self, drawn: Drawn) -> bool:
        return any(key in self.being_made for key in drawn.keys)

    def _take_over(self, records: list[TrialRecord]) -> None:
        """Go on where an earlier run ended; what it left running runs again.

        The places that are free now were left last, one by one: each draw sees what was told
        by then.
        """
        self.study.tell_ended()
        for record in sorted(records, key=lambda record: record.turn):
            if record.result is None:
                (self.paused if record.is_paused else self.adopted)[record.number] = record
        self.num_started = len(records)
        self.num_turns = max((record.turn for record in records), default=0)
        self.num_left = max((record.left for record in records), default=0)
        rungs = {record.number: record.rungs for record in records if record.rungs}
        self.rule = restored(rungs, self.adopted, self.paused)
        events = deque(course(records))
        num_free = max(0, self.max_live - len(self.adopted))
        for left in range(self.num_left - num_free + 1, self.num_left + 1):
            self._replay(events, left)
            self._give_place()
        self._replay(events, self.num_left)

    def _replay(self, events: deque[Event], left: int) -> None:
        """Let the drawer know of what happened up to so many left places."""
        while events and events[0][0] <= left:
            _, is_begun, record = events.popleft()
            self.drawing(self.drawer.note if is_begun else self.drawer.learn, record)
