"""The phases of a search, searching, refitting and over, and the trials that are due in each."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum

from automl.engine.refit import Refitter
from automl.errors import alike
from automl.recipe import Report
from automl.space.space import TrialConfig
from automl.study.budget import Clock, GpuMeter
from automl.study.dispatcher import Dispatcher
from automl.study.goal import Goal
from automl.study.record import TrialRecord
from automl.study.timetable import Timetable
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult
from automl.trial.time_limit import NO_TIME, TIME_UP, TimeLimit

FIRST_TRIALS = 8
"""So many trials, or two for each slot, that all fail alike are enough to know."""
GOAL_MET = "another trial met the search's goal"


class Phase(Enum):
    SEARCHING = "searching"
    REFITTING = "refitting"
    OVER = "over"


class Phases:
    """Hands out the search's trials while it lasts, then the refits, and takes how each ends.

    The search lasts until a budget is spent, a model meets the goal or the dispatcher is over;
    after a goal that was met there are no refits. Where time is not limited, refits begin as soon
    as the last trials leave a slot. `num_refitted` trials had ended when refits were last lined
    up. `front` is that of trials and refits, `hypervolumes` are those of the trials alone, after
    each ended one. `first_reasons` are why this run's trials failed, until one did not.
    """

    def __init__(
        self, dispatcher: Dispatcher, refitter: Refitter, clock: Clock, gpus: float = 0.0
    ) -> None:
        study = dispatcher.study
        self.name = study.name
        self.dispatcher, self.refitter, self.clock = dispatcher, refitter, clock
        self.meter = GpuMeter(study.attribute("gpu_seconds", 0.0))
        self.timetable = Timetable(clock, self.meter, gpus)
        self.front, self.front_of_trials = study.front(), study.front(study.records())
        self.hypervolumes = study.hypervolumes()
        self.has_searched, self.num_refitted = False, -1
        self.goal = Goal(clock.budget.until, study.settings, [*study.records(), *study.refits()])
        results = [record.result for record in study.records()]
        self.may_fail_alike = all(one is None or _has_failed(one) for one in results)
        self.first_reasons: list[str] = []

    @property
    def phase(self) -> Phase:
        """The phase by now."""
        if not self.has_searched and (self.why_over() or self.dispatcher.is_over()):
            self.has_searched = True
            self.clock.end_search(self._is_out_of_minutes())
            self.dispatcher.close_slots()
        if not self.has_searched:
            return Phase.SEARCHING
        may_refit = self.clock.refits() and self.goal.met_by is None
        is_refitting = may_refit and not (self._has_lined_up() and self.refitter.is_over())
        runs = is_refitting or self.dispatcher.under_way.live
        return Phase.REFITTING if runs else Phase.OVER

    def why_over(self) -> str:
        """Name the goal that is met, or the budget that is spent or too short for another trial;
        "" while there is some of each."""
        spent = self.goal.ending() or self.clock.budget.spent(
            self.hypervolumes, self.clock.seconds_for_all(), self.meter.seconds()
        )
        if spent or self.dispatcher.under_way.live:
            return spent
        return "" if self._is_worth_starting() else "the time left is too short for another trial"

    def why_hopeless(self) -> str:
        """The reason for which all first trials of this run failed; "" unless they did."""
        enough = max(FIRST_TRIALS, 2 * self.dispatcher.options.slots)
        first = self.first_reasons[:enough]
        return first[0] if len(first) == enough and len(set(map(alike, first))) == 1 else ""

    def should_stop(self, interrupted: Callable[[], bool]) -> bool:
        """Tell whether no trial is to go on: on request, as all fail alike, as the goal is met, or
        as the refits' time is over, too."""
        if interrupted() or self.why_hopeless() or self.goal.met_by is not None:
            return True
        if self.phase is Phase.SEARCHING or self.clock.lets_refits_end():
            return False
        return self.clock.seconds_left() + self.timetable.grace_seconds() <= 0

    def next_trial(self) -> TrialRecord | None:
        """The next trial; None while none is due, or `is_over`."""
        if self.why_hopeless() or self.goal.met_by is not None:
            return None
        if self.phase is Phase.SEARCHING:
            found = self.dispatcher.next() if self._is_worth_starting() else None
            return found or (self._next_refit() if self._may_refit_early() else None)
        return self._next_refit()

    def _may_refit_early(self) -> bool:
        """Tell whether refits may have what slots the last trials leave, while others run."""
        has_time = self.clock.refits() and not self.timetable.is_limited
        return has_time and self.dispatcher.has_started_all()

    def _next_refit(self) -> TrialRecord | None:
        """The next refit, of the front as it is by now; None while none is due."""
        if self.clock.refits() and not self._has_lined_up():
            self.num_refitted = len(self.hypervolumes)
            self.refitter.line_up(self.front.members)
        num_live = len(self.dispatcher.under_way.live) + len(self.refitter.live)
        if num_live >= self.dispatcher.slots.max_live:
            return None
        return self.refitter.next(self.clock.seconds_left())

    def _has_lined_up(self) -> bool:
        """Tell whether refits were lined up since the last trial ended."""
        return self.num_refitted == len(self.hypervolumes)

    def is_over(self) -> bool:
        """Tell whether nothing runs, and nothing more will."""
        return self.phase is Phase.OVER

    def config_of(self, trial: TrialId) -> TrialConfig:
        """The config of a trial that is handed out. Raises what the user's classes raise."""
        if trial.is_refit:
            return self.refitter.plans[trial].config
        under_way = self.dispatcher.under_way
        return under_way.plan(under_way.live[trial]).config

    def time_limit(self, trial: TrialId) -> TimeLimit | None:
        """The time of a trial that is handed out; None where the search's is not limited."""
        slots = self.dispatcher.options.slots
        if trial.is_refit and self.timetable.is_limited:
            rounds = math.ceil((len(self.refitter.queue) + len(self.refitter.live)) / slots)
            origin, left = self.refitter.origins.get(trial), self.clock.seconds_left()
            return self.timetable.refit_limit(left, origin, rounds)
        options, started = self.dispatcher.options, self.dispatcher.num_started
        return self.timetable.limit(slots, options.max_trials - started + 1)

    def expected_seconds(self) -> float:
        """The seconds that the search is expected to go on; infinite while that is not known."""
        if self.phase is not Phase.SEARCHING:
            return max(0.0, self.clock.seconds_left())
        ended, slots = len(self.hypervolumes), self.dispatcher.options.slots
        left = self.timetable.expected_seconds(slots, self.dispatcher.options.max_trials - ended)
        return left + self.clock.refit_seconds_after(left)

    def _is_out_of_minutes(self) -> bool:
        """Tell whether it is for want of minutes, not of GPU-hours, that no trial may start."""
        left = self.timetable.seconds_left(self.dispatcher.options.slots)
        is_by_minutes = self.clock.search_seconds_left() <= left < math.inf
        return is_by_minutes and not self._is_worth_starting()

    def _is_worth_starting(self) -> bool:
        return self.timetable.is_worth_starting(self.dispatcher.options.slots)

    def goes_on(self, trial: TrialId, report: Report, seconds: float) -> bool:
        """Take a report of a trial, during the search; False pauses the trial."""
        return trial.is_refit or self.dispatcher.goes_on(trial, report, seconds)

    def gives_way(self, trial: TrialId) -> bool:
        """Tell whether a trial must leave its slot to a refit: the search is over.

        A trial whose time is up ends by itself, with a model.
        """
        if trial.is_refit or self.phase is Phase.SEARCHING:
            return False
        return not self.timetable.is_finishing(self.dispatcher.options.slots)

    def end(self, trial: TrialId, result: TrialResult) -> TrialRecord:
        """Take how a trial ended."""
        makers = self.refitter if trial.is_refit else self.dispatcher
        record = makers.end(trial, result)
        self.timetable.learn(result)
        self.front.add(record)
        self.goal.take(record)
        if not trial.is_refit:
            self.front_of_trials.add(record)
            self.hypervolumes.append(self.front_of_trials.hypervolume)
            self._learn_pace(record)
            self._note_failure(result)
        return record

    def _learn_pace(self, record: TrialRecord) -> None:
        """Have the proposer leave out what is too long for the time that a trial has."""
        seconds = self.timetable.training_seconds()
        assert record.result is not None
        has_pace = record.is_complete or record.result.reason.startswith(NO_TIME)
        if has_pace and seconds < math.inf:
            dispatcher = self.dispatcher
            config = dispatcher.under_way.config_of(record)
            dispatcher.drawing(dispatcher.proposer.afford, record, config, seconds)

    def _note_failure(self, result: TrialResult) -> None:
        self.may_fail_alike = self.may_fail_alike and _has_failed(result)
        self.first_reasons = [*self.first_reasons, result.reason] if self.may_fail_alike else []

    def stopped(self, trial: TrialId, seconds: float = 0.0) -> TrialResult:
        """The result of a trial that the search's end finds unfinished."""
        reason = self.dispatcher.why_unfinished(trial)
        if reason == TIME_UP and self.goal.met_by is not None:
            reason = GOAL_MET
        return TrialResult(Status.STOPPED, reason=reason, seconds=seconds)

    def unfinished(self) -> list[TrialId]:
        """The trials and refits that have not ended."""
        return [*self.dispatcher.under_way.all(), *self.refitter.live]


def _has_failed(result: TrialResult) -> bool:
    """Tell whether a trial raised, or could not be trained at all in its time."""
    return result.status is Status.FAILED or result.reason.startswith(NO_TIME)
