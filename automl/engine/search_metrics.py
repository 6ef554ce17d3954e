"""The figures of a live search, gathered for Ray's Prometheus endpoint."""

from __future__ import annotations

import time
from collections import Counter

from automl.cluster.live_metrics import LiveFigures, LiveMetrics
from automl.engine.phases import Phases
from automl.tracking.tracker import Tracker
from automl.trial.result import Status, TrialResult


class SearchMetrics:
    """Counts what happens in a search, and shows it when asked to."""

    def __init__(self, phases: Phases, tracker: Tracker) -> None:
        self.phases, self.tracker = phases, tracker
        study = phases.dispatcher.study
        results = [record.result for record in study.records() if record.result is not None]
        self.ended = Counter(result.status for result in results)
        self.waited_seconds = sum(result.waited_seconds for result in results)
        self.store_bytes, self.last_report_time = 0, time.time()
        self.gauges = LiveMetrics(study.name, study.attribute("user", ""))

    def reported(self) -> None:
        """Note that a trial has reported just now."""
        self.last_report_time = time.time()

    def finished(self, result: TrialResult, is_refit: bool) -> None:
        """Note how a trial ended just now."""
        self.reported()
        self.waited_seconds += result.waited_seconds
        self.ended[result.status] += not is_refit

    def show(self) -> None:
        """Have the endpoint show the figures by now."""
        dispatcher, front = self.phases.dispatcher, self.phases.front
        # One trial more than there is room for is handed out, and waits.
        handed_out = len(dispatcher.under_way.live) + len(self.phases.refitter.live)
        working = min(handed_out, dispatcher.options.slots)
        ended = {str(status): self.ended[status] for status in Status if status != Status.SCREENED}
        paused = len(dispatcher.under_way.paused)
        self.gauges.show(
            LiveFigures(
                trials={**ended, "running": working, "paused": paused},
                slots=dispatcher.options.slots,
                front_models=len(front.members),
                hypervolume=front.hypervolume,
                store_bytes=self.store_bytes,
                undelivered_events=self.tracker.journal.num_undelivered(),
                last_report_time=self.last_report_time,
                waiting_for_measurer_seconds=self.waited_seconds,
            )
        )
