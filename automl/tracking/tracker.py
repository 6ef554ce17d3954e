"""A search's events on their way to MLflow: to disk at once, to the server by another process."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from automl.config import encode
from automl.recipe import Report
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId
from automl.tracking.journal import Event, Writer

CLOSE_SECONDS = 60.0


class Delivering(Protocol):
    """Whoever brings the journal to MLflow while a search goes on."""

    def end(self, seconds: float | None) -> str:
        """Have what is left delivered, in so many seconds; returns what is in the way, or ""."""


class Process:
    """A process that delivers: it is told what in a line of JSON, and ends when its input does,
    that is with this process at the latest; what is in the way it prints."""

    def __init__(self, command: Sequence[str], told: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C is for the search, which has something to tell then.
            start_new_session=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()

    def end(self, seconds: float | None) -> str:
        try:
            said, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return "it is slow"
        if self.process.returncode:
            return f"the process that delivers ended with {self.process.returncode}"
        return said.strip()


class Tracker:
    """Takes what happens in a search; no call waits for MLflow, and none fails for it.

    Whatever goes wrong with the delivery, what is not delivered stays on disk: the next try, the
    next run or `automl sync` goes on.
    """

    def __init__(self, study: Study, delivering: Delivering) -> None:
        self.study, self.delivering = study, delivering
        self.journal = Writer(study.folder)
        self.started_trials: set[str] = set()
        self.said: dict[tuple[str, str], int] = {}
        self.finished_trials: set[str] = set()
        self.is_ended = False
        for event in self.journal.all():
            self._note(event)
        for record in [*study.records(), *study.refits()]:
            # A kill between the study's write and the journal's.
            if record.result is not None and record.trial_id not in self.finished_trials:
                self.finished(record)

    def opened(self) -> None:
        """A run of the search begins."""
        self._tell("open")

    def started(self, record: TrialRecord) -> None:
        self._tell("start", trial=record.trial_id, params=dict(record.params))

    def reported(self, trial: TrialId, report: Report) -> None:
        """An epoch, once: a trial that goes on from a checkpoint says again what it had said."""
        if self.said.get((str(trial), report.step), 0) < report.epoch:
            about = {"step": report.step, "epoch": report.epoch, "metrics": report.metrics}
            self._tell("report", trial=str(trial), **about)

    def finished(self, record: TrialRecord) -> None:
        if record.trial_id not in self.started_trials:
            self.started(record)
        self._tell("finish", trial=record.trial_id, result=encode(record.result))

    def close(self, status: str, seconds: float | None = CLOSE_SECONDS) -> str:
        """End the parent run; returns a sentence about what could not be delivered, or "".

        It takes at most so many seconds; without a limit as long as the server takes what comes.
        """
        if not self.is_ended:
            self._tell("end", status=status)
        away = self.delivering.end(seconds)
        self.journal.close()
        if not away:
            return ""
        return (
            f"MLflow has not got everything ({away}); the rest waits in "
            f"{self.study.folder}: automl sync {self.study.name} delivers it"
        )

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
                self.started_trials.add(event["trial"])
            case "report":
                self.said[event["trial"], event["step"]] = event["epoch"]
            case "finish":
                self.finished_trials.add(event["trial"])
