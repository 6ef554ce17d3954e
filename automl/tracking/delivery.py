"""A study's journal brought to MLflow, from where the server has it."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId
from automl.tracking import publish, registry
from automl.tracking.journal import Journal
from automl.tracking.mlflow_client import connect
from automl.tracking.registry import Shipped
from automl.tracking.runs import Runs

LOCK = "mlflow.lock"
FLUSH_SECONDS, MAX_FLUSH_SECONDS = 1.0, 10.0
REPORT_SECONDS = 20.0
SHARE = 0.01
"""Flushes, and the report's pages, each take at most this share of a core: one that took long is
followed by a longer pause, and the next flush holds more."""
AWAY_SECONDS = 15.0


class Delivery:
    """Writes what happens in a search to a tracking server, until the search has ended."""

    def __init__(
        self,
        study: Study,
        uri: str,
        artifacts: Path | None,
        write_report: Callable[[Study, Path], Any],
        shipped: Callable[[TrialRecord], Shipped | None],
    ) -> None:
        self.study, self.uri, self.artifacts = study, uri, artifacts
        self.write_report, self.shipped = write_report, shipped
        self.journal = Journal(study.folder)
        self.runs: Runs | None = None
        self.offset = 0
        self.is_ended = False
        self.reported_front: set[TrialId] | None = None
        self.next_report = time.monotonic() + REPORT_SECONDS

    def work(self, closing: threading.Event) -> str:
        """Deliver once per pause, and a last time when it is closing; returns what was in the way
        of that, or "". Another delivery of the study, whose search was killed, is waited for."""
        with (self.study.folder / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self._work(closing)

    def _work(self, closing: threading.Event) -> str:
        pause, is_last, away = FLUSH_SECONDS, False, ""
        while not is_last:
            is_last = closing.wait(pause)
            spent = time.thread_time()
            try:
                self._deliver()
                pause = (time.thread_time() - spent) / SHARE
                pause = min(max(pause, FLUSH_SECONDS), MAX_FLUSH_SECONDS)
                self._report_if_due()
                away = ""
            except Exception as error:
                # Anything: artifacts may lie in any kind of storage, and the next try may do.
                self.runs = None
                away = (str(error) or type(error).__name__).splitlines()[0]
                pause = min(2 * pause, AWAY_SECONDS)
        return away

    def _deliver(self) -> None:
        """Write all that the journal holds; a server that was away is asked first what it has."""
        runs = self.runs = self.runs or self._reach()
        while True:
            events, offset = self.journal.read(self.offset)
            if offset == self.offset and not runs.pending:
                return
            for event in events:
                runs.take(event)
            runs.flush()
            kinds = [event["event"] for event in events if event["event"] in ("open", "end")]
            self.is_ended = kinds[-1] == "end" if kinds else self.is_ended
            if "end" in kinds:
                self._write_report(runs)
                registry.register(runs, self.study, self.shipped)
            if offset > self.offset:
                self.journal.deliver(self.uri, offset)
            self.offset = offset

    def _reach(self) -> Runs:
        """The server's runs, as far as the journal is delivered."""
        since = next((event["time"] for event in self.journal.all()), int(time.time() * 1000))
        runs = Runs(connect(self.uri), self.study, self.uri, self.artifacts, since)
        self.offset, delivered = 0, 0 if runs.is_new else self.journal.delivered(self.uri)
        while self.offset < delivered:
            events, self.offset = self.journal.read(self.offset, delivered)
            for event in events:
                runs.remember(event)
        return runs

    def _report_if_due(self) -> None:
        assert self.runs is not None
        changed = self.reported_front != self.runs.front_trials
        if changed and time.monotonic() > self.next_report and not self.is_ended:
            self._write_report(self.runs)

    def _write_report(self, runs: Runs) -> None:
        """Put the pages of the search so far on its run."""
        started = time.monotonic()
        publish.put_report(runs.client, runs.parent, self.study, self.write_report)
        self.reported_front = set(runs.front_trials)
        took = time.monotonic() - started
        self.next_report = time.monotonic() + max(REPORT_SECONDS, took / SHARE)
