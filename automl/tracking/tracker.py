"""Tracks a search: writes its events to disk at once; another process brings them to MLflow."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from automl.recipe import Report
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId
from automl.tracking.events import Ended, Event, Finished, Opened, Reported, Started
from automl.tracking.journal import Writer
from automl.tracking.views import UNREGISTERED

CLOSE_SECONDS = 60.0


class Delivering(Protocol):
    """A delivery that brings the journal to MLflow while a search goes on."""

    def end(self, seconds: float | None) -> str:
        """Have the rest delivered within `seconds`; returns what is in the way, or ""."""


class Process:
    """A process that delivers.

    It reads `request` as a line of JSON, prints what is in the way, and ends when its input does:
    with this process at the latest.
    """

    def __init__(self, command: Sequence[str], request: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C is for the search, which has more to write then.
            start_new_session=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def end(self, seconds: float | None) -> str:
        try:
            printed, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return "it is slow"
        if self.process.returncode:
            return f"the process that delivers ended with {self.process.returncode}"
        return printed.strip()


class Tracker:
    """Takes what happens in a search; no call waits for MLflow, and none fails for it.

    Whatever goes wrong with the delivery, events that are not delivered stay on disk: the next
    try, the next run or `automl sync` goes on.
    """

    def __init__(self, study: Study, delivering: Delivering) -> None:
        self.study, self.delivering = study, delivering
        self.journal = Writer(study.folder)
        self.started_trials: set[str] = set()
        self.last_epochs: dict[tuple[str, str], int] = {}
        """The last epoch reported of each trial's steps."""
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
        self._append(Opened(_now()))

    def started(self, record: TrialRecord) -> None:
        self._append(Started(_now(), record.trial_id, dict(record.params)))

    def reported(self, trial: TrialId, report: Report) -> None:
        """An epoch, once: a trial that goes on from a checkpoint repeats its reports."""
        name = str(trial)
        if self.last_epochs.get((name, report.step), 0) < report.epoch:
            self._append(Reported(_now(), name, report.step, report.epoch, report.metrics))

    def finished(self, record: TrialRecord) -> None:
        assert record.result is not None
        if record.trial_id not in self.started_trials:
            self.started(record)
        self._append(Finished(_now(), record.trial_id, record.result))

    def close(self, status: str, seconds: float | None = CLOSE_SECONDS) -> str:
        """End the parent run; returns a sentence about what could not be delivered, or "".

        It takes at most `seconds`; without a limit as long as the server takes what comes.
        """
        if not self.is_ended:
            self._append(Ended(_now(), status))
        hindrance = self.delivering.end(seconds)
        self.journal.close()
        if not hindrance:
            refusal = self.study.attribute(UNREGISTERED)
            return f"MLflow has no registered models of it: {refusal}" if refusal else ""
        return (
            f"MLflow has not got everything ({hindrance}); the rest waits in "
            f"{self.study.folder}: automl sync {self.study.name} delivers it"
        )

    def _append(self, event: Event) -> None:
        self._note(event)
        self.journal.append(event)

    def _note(self, event: Event) -> None:
        """Keep what decides about later events."""
        match event:
            case Opened() | Ended():
                self.is_ended = isinstance(event, Ended)
            case Started():
                self.started_trials.add(event.trial)
            case Reported():
                self.last_epochs[event.trial, event.step] = event.epoch
            case Finished():
                self.finished_trials.add(event.trial)


def _now() -> int:
    return int(time.time() * 1000)
