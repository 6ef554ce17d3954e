"""The phases of a search, searching, refitting and over, and the trials that are due in each."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from automl.engine.refit import Refitter
from automl.recipe import Report
from automl.space.space import TrialConfig
from automl.study.budget import Clock, GpuMeter
from automl.study.dispatcher import Dispatcher
from automl.study.record import TrialRecord
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult


class Phase(Enum):
    SEARCHING = "searching"
    REFITTING = "refitting"
    OVER = "over"


class Phases:
    """Hands out the search's trials while it lasts, then the refits, and takes how each ends.

    The search lasts until a budget is spent or the dispatcher is over. `front` is that of trials
    and refits, `hypervolumes` are those of the trials alone, after each ended one.
    """

    def __init__(self, dispatcher: Dispatcher, refitter: Refitter, clock: Clock) -> None:
        study = dispatcher.study
        self.name = study.name
        self.dispatcher, self.refitter, self.clock = dispatcher, refitter, clock
        self.meter = GpuMeter(study.attribute("gpu_seconds", 0.0))
        self.front, self.front_of_trials = study.front(), study.front(study.records())
        self.hypervolumes = study.hypervolumes()
        self.has_searched = False

    @property
    def phase(self) -> Phase:
        """The phase by now."""
        if not self.has_searched and (self.why_over() or self.dispatcher.is_over()):
            self.has_searched = True
            self.clock.end_search()
            self.dispatcher.close_slots()
        if not self.has_searched:
            return Phase.SEARCHING
        is_refitting = self.clock.refits() and not self.refitter.is_over()
        runs = is_refitting or self.dispatcher.under_way.live
        return Phase.REFITTING if runs else Phase.OVER

    def why_over(self) -> str:
        """Name the budget that is spent; "" while there is some of each."""
        return self.clock.budget.spent(
            self.hypervolumes, self.clock.seconds_for_all(), self.meter.seconds()
        )

    def should_stop(self, interrupted: Callable[[], bool]) -> bool:
        """Tell whether no trial is to go on: on request, or as the refits' time is over, too."""
        return interrupted() or (self.phase is not Phase.SEARCHING and self.clock.is_up())

    def next_trial(self) -> TrialRecord | None:
        """The next trial; None while none is due, or `is_over`."""
        if self.phase is Phase.SEARCHING:
            return self.dispatcher.next()
        if not self.refitter.has_begun and self.clock.refits():
            self.refitter.begin(self.front.members)
        num_live = len(self.dispatcher.under_way.live) + len(self.refitter.live)
        if num_live >= self.dispatcher.slots.max_live:
            return None
        return self.refitter.next(self.clock.seconds_left())

    def is_over(self) -> bool:
        """Tell whether nothing runs, and nothing more will."""
        return self.phase is Phase.OVER

    def config_of(self, trial: TrialId) -> TrialConfig:
        """The config of a trial that is handed out."""
        plans = self.refitter.plans if trial.is_refit else self.dispatcher.under_way.plans
        return plans[trial].config

    def goes_on(self, trial: TrialId, report: Report, seconds: float) -> bool:
        """Take a report of a trial, during the search; False pauses the trial."""
        return trial.is_refit or self.dispatcher.goes_on(trial, report, seconds)

    def gives_way(self, trial: TrialId) -> bool:
        """Tell whether a trial must leave its slot to a refit: the search is over."""
        return not trial.is_refit and self.phase is not Phase.SEARCHING

    def end(self, trial: TrialId, result: TrialResult) -> TrialRecord:
        """Take how a trial ended."""
        makers = self.refitter if trial.is_refit else self.dispatcher
        record = makers.end(trial, result)
        self.front.add(record)
        if not trial.is_refit:
            self.front_of_trials.add(record)
            self.hypervolumes.append(self.front_of_trials.hypervolume)
        return record

    def stopped(self, trial: TrialId, seconds: float = 0.0) -> TrialResult:
        """The result of a trial that the search's end finds unfinished."""
        reason = self.dispatcher.why_unfinished(trial)
        return TrialResult(Status.STOPPED, reason=reason, seconds=seconds)

    def unfinished(self) -> list[TrialId]:
        """The trials and refits that have not ended."""
        return [*self.dispatcher.under_way.all(), *self.refitter.live]
