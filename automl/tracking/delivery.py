"""Delivers a search's journal to MLflow, from the first event that the server lacks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from automl.errors import words
from automl.study import glance
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.tracking import publish, registry
from automl.tracking.events import Ended, Opened
from automl.tracking.journal import Journal
from automl.tracking.mlflow_client import connect_for, without_password
from automl.tracking.mlflow_runs import Runs
from automl.tracking.pages import files
from automl.tracking.registry import Shipped
from automl.tracking.views import UNREGISTERED

LOCK = "mlflow.lock"
FLUSH_SECONDS, MAX_FLUSH_SECONDS = 1.0, 10.0
REPORT_SECONDS = 20.0
SHARE = 0.01
"""Flushes, and the report's pages, each take at most this share of a core: a long flush is followed
by a longer pause, and the next flush holds more."""
MAX_RETRY_SECONDS = 15.0


class Delivery:
    """Writes what happens in a search to a tracking server, until the search has ended."""

    def __init__(
        self,
        study: Study,
        uri: str,
        artifacts: Path | None,
        write_report: files.Write,
        shipped: Callable[[TrialRecord], Shipped | None],
    ) -> None:
        self.study, self.uri, self.artifacts = study, uri, artifacts
        self.write_report, self.shipped = write_report, shipped
        self.journal = Journal(study.folder)
        self.runs: Runs | None = None
        self.offset = 0
        self.is_ended = False
        self.owes_models = bool(study.attribute(UNREGISTERED))
        """Whether an end came by whose front is not registered yet, or was refused."""
        self.reported_front: set[str] | None = None
        self.raised = ""
        self.next_report = time.monotonic() + REPORT_SECONDS

    def work(self, closing: threading.Event) -> str:
        """Deliver once per pause, and a last time when the search closes; returns what was in the
        way of that, or "". Waits for another delivery of the search, whose driver was killed."""
        with FileLock(self.study.folder / LOCK):
            return self._work(closing)

    def _work(self, closing: threading.Event) -> str:
        pause, is_last, hindrance = FLUSH_SECONDS, False, ""
        while not is_last:
            is_last = closing.wait(pause)
            spent = time.thread_time()
            try:
                self._deliver()
                pause = (time.thread_time() - spent) / SHARE
                pause = min(max(pause, FLUSH_SECONDS), MAX_FLUSH_SECONDS)
                self._report_if_due()
                refused = self.runs.refused if self.runs else []
                hindrance = "; ".join(filter(None, (self.raised, *refused)))
            except Exception as error:
                # Anything: artifacts may lie in any kind of storage, and the next try may do.
                self.runs = None
                hindrance = without_password(words(error).splitlines()[0], self.uri)
                pause = min(2 * pause, MAX_RETRY_SECONDS)
        return hindrance

    def _deliver(self) -> None:
        """Write all that the journal holds; a server that was absent is asked first what it has."""
        runs = self.runs = self.runs or self._reach()
        while True:
            events, offset = self.journal.read(self.offset)
            if offset == self.offset and not runs.pending:
                return
            for event in events:
                runs.take(event)
            runs.flush()
            turns = [event for event in events if isinstance(event, Opened | Ended)]
            self.is_ended = isinstance(turns[-1], Ended) if turns else self.is_ended
            self.owes_models |= any(isinstance(event, Ended) for event in turns)
            # The front of now has trials that a search which went on tells of in later batches.
            if self.owes_models and self.journal.read(offset)[1] == offset:
                # First of all the report, which a server takes that registers no models.
                self._write_report(runs)
                registry.register(runs, self.study, self.shipped)
                publish.write_note(runs.client, runs.search_run, self.study)
                self.owes_models = False
            if offset > self.offset:
                self.journal.deliver(self.uri, offset)
            self.offset = offset

    def _reach(self) -> Runs:
        """The server's runs, as far as the journal is delivered."""
        since = next((event.time for event in self.journal.all()), int(time.time() * 1000))
        runs = Runs(connect_for(self.study, self.uri), self.study, self.uri, self.artifacts, since)
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
        glance.keep(self.study.folder)
        client, run = runs.client, runs.search_run
        self.raised = publish.publish_report(client, run, self.study, self.write_report)
        self.reported_front = set(runs.front_trials)
        took = time.monotonic() - started
        self.next_report = time.monotonic() + max(REPORT_SECONDS, took / SHARE)
