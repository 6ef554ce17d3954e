"""A live search: what happens to a trial is recorded, then told to MLflow and to the watcher."""

from __future__ import annotations

import time
from dataclasses import replace

from automl.cluster.controller import Events
from automl.engine.phases import Phases
from automl.engine.room import Room
from automl.engine.search_metrics import SearchMetrics
from automl.engine.store_eviction import trim
from automl.engine.watch import Watch
from automl.home import Home
from automl.recipe import Report
from automl.study import timeline
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.timeline import Stay
from automl.study.trial_id import TrialId
from automl.tracking.tracker import Tracker
from automl.trial.result import TrialResult

TRIM_EVERY_TRIALS = 25
LOOK_SECONDS = 5.0


class LiveSearch:
    """Takes each start, report and end of a trial, in one place each.

    `room` is that of the cluster; `live` are the workers of each trial that is handed out.
    """

    def __init__(
        self, home: Home, phases: Phases, tracker: Tracker, watch: Watch, room: Room
    ) -> None:
        self.home, self.phases, self.tracker, self.watch = home, phases, tracker, watch
        self.room, self.plan = room, room.plan()
        self.live: dict[TrialId, int] = {}
        self.dispatcher, self.metrics = phases.dispatcher, SearchMetrics(phases, tracker)
        self.seconds_before = sum(spent_seconds(self.dispatcher.study))
        self.next_look = time.monotonic() + LOOK_SECONDS
        self.handed_out: dict[TrialId, float] = {}

    def events(self) -> Events:
        return Events(
            on_start=self.start,
            on_placed=self.place,
            on_report=self.report,
            on_end=self.end,
            on_process_lost=self.watch.lost,
            on_loop=self.look_around,
            on_left=self.left,
        )

    def start(self, record: TrialRecord) -> None:
        """Take that a trial was handed out: its record is written already."""
        self.handed_out[record.id] = time.time()
        self.tracker.started(record)
        self.watch.started(record)

    def place(self, trial: TrialId, num_workers: int) -> None:
        """Take how many workers a trial has: as many more are started as fit beside it."""
        self.live[trial] = num_workers
        self._fit()

    def report(self, trial: TrialId, report: Report, seconds: float) -> bool:
        """Take a report, after some seconds of work; False ends or pauses the trial."""
        self.metrics.reported()
        self.phases.meter.start(trial, self._gpus(trial), seconds)
        self.tracker.reported(trial, report)
        self.watch.reported(trial, report)
        if self.phases.gives_way(trial):
            self.end(trial, self.phases.stopped(trial, seconds))
            return False
        goes_on = self.phases.goes_on(trial, report, seconds)
        if not goes_on:
            self.phases.meter.end(trial)
            self._leave(trial)
            self.watch.paused(trial)
        return goes_on

    def end(self, trial: TrialId, result: TrialResult) -> None:
        """Take how a trial ended."""
        record, meter = self.phases.end(trial, result), self.phases.meter
        meter.start(trial, self._gpus(trial), result.seconds)
        meter.end(trial)
        self.metrics.finished(result, trial.is_refit)
        self._leave(trial)
        self.note_spent()
        self.tracker.finished(record)
        self.watch.finished(record)
        if trial.number % TRIM_EVERY_TRIALS == 0:
            self.dispatcher.writing(self.trim)

    def note_spent(self) -> None:
        """Write down what the search has spent so far: a run that ends in the middle of a trial
        counts, too."""
        write, study, clock = self.dispatcher.writing, self.dispatcher.study, self.phases.clock
        write(study.set_attribute, "seconds", self.seconds_before + clock.seconds())
        write(study.set_attribute, "refit_seconds", clock.refit_seconds())
        if self.room.request.gpus:
            write(study.set_attribute, "gpu_seconds", self.phases.meter.seconds())

    def left(self, trial: TrialId, stay: Stay) -> None:
        """Take that a trial has left its slot, and when."""
        stay = replace(stay, handed_out=self.handed_out.pop(trial, 0.0))
        self.dispatcher.writing(timeline.add, self.dispatcher.study.folder, stay)

    def trim(self) -> None:
        """Keep the store within its limit, whatever the home's other searches hold."""
        try:
            self.metrics.store_bytes = trim(self.home) or self.metrics.store_bytes
        except Exception as error:
            self.dispatcher.options.faults.note("clearing of the store", "was given up", error)

    def stop_unfinished(self) -> None:
        """Stop what the end of the search finds unfinished."""
        self.dispatcher.close_slots()
        for trial in self.phases.unfinished():
            self.end(trial, self.phases.stopped(trial))

    def look_around(self) -> None:
        """Tell the watcher and Prometheus how far the search is, now and then, and plan anew for
        the nodes that have joined or left the cluster."""
        if time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + LOOK_SECONDS
        self.watch.looked(self.phases.expected_seconds())
        self.metrics.show()
        for why in self.room.look():
            self.watch.left_out(why)
        plan = self.room.plan()
        if plan.capacity and plan != self.plan:
            self.plan = plan
            self._fit()

    def _fit(self) -> None:
        """Have as many trials handed out as the cluster holds beside those that are."""
        before, slots = self.dispatcher.options, self.plan.slots
        max_live = self.plan.max_live(list(self.live.values()))
        if (slots, max_live) == (before.slots, before.max_live):
            return
        self.dispatcher.resize(slots, max_live)
        if slots != before.slots:
            self.dispatcher.writing(self.dispatcher.study.set_attribute, "slots", slots)
            self.watch.resized(slots)

    def _leave(self, trial: TrialId) -> None:
        """Note that a trial has left its slot."""
        self.live.pop(trial, None)
        self._fit()

    def _gpus(self, trial: TrialId) -> float:
        """The GPUs that a trial reserves; none unless it was placed."""
        num_workers = self.live.get(trial)
        return 0.0 if num_workers is None else self.room.request.gpus * max(1, num_workers)


def spent_seconds(study: Study) -> tuple[float, float]:
    """The seconds that earlier runs of a search have searched, and had for refits."""
    refitted = study.attribute("refit_seconds", 0.0)
    return study.attribute("seconds", 0.0) - refitted, refitted
