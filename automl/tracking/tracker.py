"""A search's events on their way to MLflow: to disk at once, to the server when it is there."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automl.config import encode
from automl.recipe import Report
from automl.study.study import Study, TrialRecord
from automl.tracking import models, views
from automl.tracking.client import connect
from automl.tracking.journal import Event, Journal
from automl.tracking.mlflow_runs import Runs
from automl.tracking.models import Shipped

FLUSH_SECONDS, MAX_FLUSH_SECONDS = 1.0, 10.0
REPORT_SECONDS = 20.0
SHARE = 0.01
"""Flushes, and the report's pages, each take at most this share of a core: one that took long is
followed by a longer pause, and the next flush holds more."""
AWAY_SECONDS = 15.0
CLOSE_SECONDS = 60.0


class Tracker:
    """Takes what happens in a search; no call waits for MLflow, and none fails for it.

    A thread delivers the journal from where the server has it. Whatever goes wrong there, what is
    not delivered stays on disk: the next try, the next run or `automl sync` goes on.
    """

    def __init__(
        self,
        study: Study,
        uri: str,
        artifacts: Path | None,
        write_report: Callable[[Study, Path], Any],
        shipped: Callable[[TrialRecord], Shipped | None] = lambda record: None,
    ) -> None:
        self.study, self.uri, self.artifacts = study, uri, artifacts
        self.write_report, self.shipped = write_report, shipped
        self.journal = Journal(study.folder)
        self.started_numbers: set[int] = set()
        self.said: dict[tuple[int, str], int] = {}
        self.finished_numbers: set[int] = set()
        self.is_ended = False
        for event in self.journal.all():
            self._note(event)
        for record in [*study.records(), *study.finishes()]:
            # A kill between the study's write and the journal's.
            if record.result is not None and record.number not in self.finished_numbers:
                self.finished(record)
        self.runs: Runs | None = None
        self.offset = 0
        self.reported_front: set[int] | None = None
        self.next_report = time.monotonic() + REPORT_SECONDS
        self.away = ""
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self.thread.start()

    def opened(self) -> None:
        """A run of the search begins."""
        self._tell("open")

    def started(self, record: TrialRecord) -> None:
        self._tell("start", number=record.number, params=record.params)

    def reported(self, number: int, report: Report) -> None:
        """An epoch, once: a trial that goes on from a checkpoint says again what it had said."""
        if self.said.get((number, report.step), 0) < report.epoch:
            about = {"step": report.step, "epoch": report.epoch, "metrics": report.metrics}
            self._tell("report", number=number, **about)

    def finished(self, record: TrialRecord) -> None:
        if record.number not in self.started_numbers:
            self.started(record)
        self._tell("finish", number=record.number, result=encode(record.result))

    def close(self, status: str, seconds: float | None = CLOSE_SECONDS) -> str:
        """End the parent run; returns a sentence about what could not be delivered, or "".

        It takes at most so many seconds; without a limit as long as the server takes what comes.
        """
        if not self.is_ended:
            self._tell("end", status=status)
        self.closing.set()
        self.thread.join(seconds)
        self.journal.close()
        if self.away or self.thread.is_alive():
            return (
                f"MLflow has not got everything ({self.away or 'it is slow'}); the rest waits in "
                f"{self.study.folder}: automl sync {self.study.name} delivers it"
            )
        return ""

    def _tell(self, kind: str, **about: Any) -> None:
        event = {"event": kind, "time": int(time.time() * 1000), **about}
        self._note(event)
        self.journal.append(event)

    def _note(self, event: Event) -> None:
        """Keep what decides about later events."""
        match event["event"]:
            case "open" | "end" as kind:
                self.is_ended = kind == "end"
            case "start":
                self.started_numbers.add(event["number"])
            case "report":
                self.said[event["number"], event["step"]] = event["epoch"]
            case "finish":
                self.finished_numbers.add(event["number"])

    def _work(self) -> None:
        """Deliver once per pause, and a last time when the search has ended."""
        pause, is_last = FLUSH_SECONDS, False
        while not is_last:
            is_last = self.closing.wait(pause)
            spent = time.thread_time()
            try:
                self._deliver()
                pause = (time.thread_time() - spent) / SHARE
                pause = min(max(pause, FLUSH_SECONDS), MAX_FLUSH_SECONDS)
                self._report_if_due()
                self.away = ""
            except Exception as error:
                # Anything: artifacts may lie in any kind of storage, and the search must go on.
                self.runs = None
                self.away = (str(error) or type(error).__name__).splitlines()[0]
                pause = min(2 * pause, AWAY_SECONDS)

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
            if any(event["event"] == "end" for event in events):
                self._write_report(runs)
                models.register(runs, self.study, self.shipped)
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
        changed = self.reported_front != self.runs.front_numbers
        if changed and time.monotonic() > self.next_report and not self.is_ended:
            self._write_report(self.runs)

    def _write_report(self, runs: Runs) -> None:
        """Put the pages of the search so far on the parent run, and say it in its note."""
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            self.write_report(self.study, Path(folder))
            runs.client.log_artifacts(runs.parent, folder)
        runs.client.set_tag(runs.parent, "mlflow.note.content", views.note(self.study))
        self.reported_front = set(runs.front_numbers)
        took = time.monotonic() - started
        self.next_report = time.monotonic() + max(REPORT_SECONDS, took / SHARE)
