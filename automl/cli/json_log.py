"""The log of a search as JSON on standard error, a line for each event, for log collectors."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from automl.cli import streams
from automl.engine.searches import Search
from automl.engine.watch import Watch
from automl.recipe import Report
from automl.study.budget import Budget
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId
from automl.trial.result import Status


class JsonLog(Watch):
    """A watch that writes each event with its time, level, search and, if it has one, trial."""

    def __init__(self) -> None:
        self.search = ""

    def found(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._write("data", message=line)

    def connecting(self) -> None:
        self._write("connecting")

    def waiting(self, why: str) -> None:
        self._write("waiting", message=why)

    def planned(self, plan: str) -> None:
        self._write("planned", message=plan)

    def left_out(self, why: str) -> None:
        self._write("left_out", level=logging.WARNING, message=why)

    def began(self, study: Study, slots: int, budget: Budget) -> None:
        self.search = study.name
        given = {name: value for name, value in vars(budget).items() if value is not None}
        self._write("began", slots=slots, budget=given, folder=str(study.folder))

    def started(self, record: TrialRecord) -> None:
        self._write("started", record.id, params=record.params)

    def reported(self, trial: TrialId, report: Report) -> None:
        told = {name: value for name, value in vars(report).items() if name != "note"}
        if report.note:
            told["message"] = report.note
        self._write("reported", trial, logging.INFO, **told)

    def paused(self, trial: TrialId) -> None:
        self._write("paused", trial)

    def lost(self, trial: TrialId, fault: str) -> None:
        self._write("lost", trial, logging.WARNING, message=fault)

    def resized(self, slots: int) -> None:
        self._write("resized", slots=slots)

    def finished(self, record: TrialRecord) -> None:
        result = record.result
        assert result is not None
        level = logging.WARNING if result.status is Status.FAILED else logging.INFO
        told: dict[str, object] = {"status": str(result.status), "seconds": result.seconds}
        if result.measurement is not None:
            told["figures"] = result.measurement.figures
        for name, value in (("message", result.reason), ("traceback", result.traceback)):
            if value:
                told[name] = value
        self._write("finished", record.id, level, **told)

    def looked(self, seconds_left: float) -> None:
        if seconds_left < math.inf:
            self._write("progress", seconds_left=seconds_left)

    def ended(self, search: Search, notes: list[str]) -> None:
        for note in notes:
            self._write("note", message=note)
        if search.failed:
            self._write("ended", None, logging.ERROR, message=search.failed)
        else:
            self._write("ended", interrupted=search.interrupted)

    def _write(
        self,
        event: str,
        trial: TrialId | None = None,
        level: int = logging.INFO,
        **told: object,
    ) -> None:
        line: dict[str, object] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": logging.getLevelName(level).lower(),
            "event": event,
            "search": self.search,
        }
        if trial is not None:
            line["trial_id"] = str(trial)
        try:
            print(json.dumps(_finite({**line, **told})), file=sys.stderr, flush=True)
        except BrokenPipeError:
            streams.hang_up(sys.stderr)


def _finite(value: object) -> object:
    """A value as JSON knows it: numbers that are not finite are null, objects are their texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
