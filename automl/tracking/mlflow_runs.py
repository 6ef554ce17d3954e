"""One MLflow parent run per search, one nested run per trial, written off the search's loop."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import re
import tempfile
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.recipe import Report
from automl.study.study import FINISH, Study, TrialRecord, number_of, trial_id

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "automl"
FLUSH_SECONDS = 1.0
REPORT_SECONDS, REPORT_SHARE = 20.0, 0.02
"""The front's pages are written at most so often, and at most for this share of the time."""
CLOSE_SECONDS = 60.0
MAX_METRICS = 1000
ENDS = {"complete": "FINISHED", "stopped": "FINISHED", "rejected": "FINISHED", "failed": "FAILED"}
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass
class Pending:
    """What is to be written to one run next."""

    params: dict[str, str] = field(default_factory=dict)
    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, Any] = field(default_factory=dict)
    status: str | None = None


def prepare(uri: str) -> None:
    """Import MLflow and have its database made: seconds, while other things start."""
    from mlflow.exceptions import MlflowException

    # A server that is away now may be back when there is something to write.
    with contextlib.suppress(MlflowException):
        connect(uri).search_experiments(max_results=1)


def connect(uri: str) -> MlflowClient:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow.MlflowClient(uri)


class Tracker:
    """Delivers a search's events to MLflow from a thread of its own; no call waits for it.

    While a server is away, what could not be written waits in memory; what is still there
    when the search ends is in the study, and is delivered when it is resumed.
    """

    def __init__(
        self,
        study: Study,
        uri: str,
        artifacts: Path | None,
        write_report: Callable[[Study, Path], Any],
    ) -> None:
        self.study, self.uri, self.artifacts = study, uri, artifacts
        self.write_report = write_report
        self.events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.parent = ""
        self.runs: dict[int, str] = {}
        self.pending: dict[str, Pending] = defaultdict(Pending)
        self.said: dict[tuple[int, str], int] = {}
        self.records: dict[int, TrialRecord] = {}
        self.front = study.front([])
        self.numbers: set[int] = set()
        self.reported_front: set[int] | None = None
        self.waiting: deque[Callable[[], None]] = deque()
        self.next_report = time.monotonic() + REPORT_SECONDS
        self.end: str | None = None
        self.away = ""
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self.thread.start()

    def started(self, record: TrialRecord) -> None:
        self.events.put(partial(self._start, record))

    def reported(self, number: int, report: Report) -> None:
        self.events.put(partial(self._report, number, report, _now()))

    def finished(self, record: TrialRecord) -> None:
        self.events.put(partial(self._finish, record, _now()))

    def close(self, status: str) -> str:
        """End the parent run; returns a sentence about what could not be delivered, or "".

        Raises what went wrong in the thread, unless it is MLflow's own.
        """
        self.end = status
        self.thread.join(CLOSE_SECONDS)
        if self.error is not None:
            raise self.error
        if self.thread.is_alive() or self.pending or self.waiting:
            return (
                f"MLflow has not got everything ({self.away or 'it is slow'}); "
                f"the study has: automl resume {self.study.name} delivers it"
            )
        return ""

    def _work(self) -> None:
        try:
            while not self._deliver():
                pass
        except Exception as error:
            self.error = error

    def _deliver(self) -> bool:
        """Write what comes within one flush interval; True when that was the end.

        What MLflow refuses, or a server that is away, stays for the next round.
        """
        from mlflow.exceptions import MlflowException

        end = self.end
        self._take_events()
        try:
            if not self.parent:
                self._open()
            while self.waiting:
                self.waiting[0]()
                self.waiting.popleft()
            if end is not None:
                self._mark_interrupted()
                self.pending[self.parent].status = end
            if end is not None or time.monotonic() > self.next_report:
                self._write_report(is_last=end is not None)
            self._flush()
        except MlflowException as error:
            self.away = str(error).splitlines()[0]
        return end is not None

    def _take_events(self) -> None:
        until = time.monotonic() + FLUSH_SECONDS
        while self.end is None and (left := until - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                self.waiting.append(self.events.get(timeout=left))
        while not self.events.empty():
            self.waiting.append(self.events.get())

    def _open(self) -> None:
        """Find or make the parent run; write what an earlier run of the search could not."""
        self.client = connect(self.uri)
        self.experiment = self._experiment()
        known = self.study.attribute("mlflow", {})
        parent = known["run_id"] if known.get("uri") == self.uri else self._create_parent()
        self.client.update_run(parent, status="RUNNING")
        finished = self._find_children(parent)
        self.parent = parent
        for record in [*self.study.records(), *self.study.finishes()]:
            if record.result is not None and record.number in finished:
                self._remember(record)
            elif record.result is not None:
                late = (partial(self._start, record), partial(self._finish, record, _now()))
                self.waiting.extendleft(reversed(late))
        self.numbers = {record.number for record in self.front.members}

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        location = None if self.artifacts is None else self.artifacts.as_uri()
        return str(self.client.create_experiment(EXPERIMENT, artifact_location=location))

    def _create_parent(self) -> str:
        settings, name = self.study.settings, self.study.name
        tags = {
            "mlflow.runName": name,
            "automl.kind": "search",
            "automl.study": name,
            "mlflow.note.content": f"Search `{name}`: its front is the artifact `front.html`.",
        }
        run_id = str(self.client.create_run(self.experiment, tags=tags).info.run_id)
        place = {"uri": self.uri, "experiment_id": self.experiment, "run_id": run_id}
        self.study.set_attribute("mlflow", place)
        params = {"space": settings.space_name, "sampler": settings.sampler}
        params |= {"seed": str(settings.seed), "objectives": " ".join(settings.objectives)}
        params |= {_legal(f"set.{path}"): value for path, value in settings.fixed.items()}
        self.pending[run_id].params = params
        return run_id

    def _find_children(self, parent: str) -> set[int]:
        """Learn the trials' runs; returns the numbers of those that have ended as they should."""
        finished, token = set(), None
        while True:
            page = self.client.search_runs(
                [self.experiment],
                f"tags.`mlflow.parentRunId` = '{parent}'",
                max_results=1000,
                page_token=token,
            )
            for run in page:
                number = number_of(run.data.tags["automl.trial_id"])
                self.runs[number] = run.info.run_id
                if run.info.status in ENDS.values():
                    finished.add(number)
            token = page.token
            if not token:
                return finished

    def _start(self, record: TrialRecord) -> None:
        if record.number in self.runs:
            self.client.update_run(self.runs[record.number], status="RUNNING")
            return
        tags = {
            "mlflow.runName": record.trial_id,
            "mlflow.parentRunId": self.parent,
            "automl.kind": "trial",
            "automl.trial_id": record.trial_id,
            "automl.study": self.study.name,
        }
        if record.number >= FINISH:
            tags["automl.origin"] = trial_id(record.number - FINISH)
        run = self.client.create_run(self.experiment, tags=tags)
        self.runs[record.number] = run.info.run_id
        params = {_legal(name): str(value) for name, value in record.params.items()}
        self.pending[run.info.run_id].params = params

    def _report(self, number: int, report: Report, now: int) -> None:
        """Log an epoch once: a trial that goes on from a checkpoint says again what it had said."""
        if self.said.get((number, report.step), 0) >= report.epoch:
            return
        self.said[number, report.step] = report.epoch
        self.pending[self.runs[number]].metrics += [
            (f"{report.step}/{name}", value, now, report.epoch)
            for name, value in report.metrics.items()
        ]

    def _finish(self, record: TrialRecord, now: int) -> None:
        result = record.result
        assert result is not None
        self._remember(record)
        if record.number not in self.runs:
            # It was paused when a run of the search was killed that had not told of it.
            self._start(record)
        pending = self.pending[self.runs[record.number]]
        figures = {"seconds": result.seconds, "reused_steps": float(result.reused_steps)}
        figures |= {f"stage_seconds/{name}": value for name, value in result.stages.items()}
        if result.teacher_seconds:
            figures["teacher_seconds"] = result.teacher_seconds
        if result.measurement is not None:
            figures |= result.measurement.figures
        pending.metrics += [(name, float(value), now, 0) for name, value in figures.items()]
        pending.tags |= {"automl.status": result.status, "automl.key": result.key}
        if result.reason:
            pending.tags["automl.reason"] = result.reason[:5000]
        if result.notes:
            pending.tags["automl.notes"] = "; ".join(result.notes)[:5000]
        if result.sensitivity:
            pending.artifacts["sensitivity.json"] = result.sensitivity
        pending.status = ENDS[result.status]
        self._update_parent(now)

    def _remember(self, record: TrialRecord) -> None:
        self.records[record.number] = record
        self.front.add(record)

    def _update_parent(self, now: int) -> None:
        """The live figures of the search, and which runs are on its front."""
        numbers = {record.number for record in self.front.members}
        for number in numbers ^ self.numbers:
            tag = {"automl.pareto": "true" if number in numbers else "false"}
            self.pending[self.runs[number]].tags |= tag
        self.numbers = numbers
        trials = [record for record in self.records.values() if record.number < FINISH]
        counts = Counter(record.result.status for record in trials if record.result)
        figures = {"hypervolume": self.front.hypervolume, "front_size": float(len(numbers))}
        figures |= {f"trials/{status}": float(count) for status, count in counts.items()}
        step = len(self.records)
        self.pending[self.parent].metrics += [(n, v, now, step) for n, v in figures.items()]

    def _mark_interrupted(self) -> None:
        """Runs of trials that the search left unfinished: a resume opens them again."""
        ended = set(self.records)
        for number, run_id in self.runs.items():
            if number not in ended:
                self.pending[run_id].status = "KILLED"

    def _flush(self) -> None:
        """Write all that is pending, one batch per run; what fails stays for the next time."""
        from mlflow.entities import Metric, Param, RunTag

        for run_id, pending in list(self.pending.items()):
            metrics = [Metric(*metric) for metric in pending.metrics]
            params = [Param(key, value) for key, value in pending.params.items()]
            tags = [RunTag(key, value) for key, value in pending.tags.items()]
            for start in range(0, max(1, len(metrics)), MAX_METRICS):
                part = metrics[start : start + MAX_METRICS]
                self.client.log_batch(run_id, part, params, tags)
                params, tags = [], []
            for name, content in pending.artifacts.items():
                self.client.log_dict(run_id, content, name)
            if pending.status is not None:
                self.client.set_terminated(run_id, pending.status)
            del self.pending[run_id]

    def _write_report(self, *, is_last: bool) -> None:
        """Put the front's pages on the parent run when it has changed, and at the end."""
        started = time.monotonic()
        if self.reported_front != self.numbers or is_last:
            with tempfile.TemporaryDirectory() as folder:
                self.write_report(self.study, Path(folder))
                self.client.log_artifacts(self.parent, folder)
            self.reported_front = set(self.numbers)
        took = time.monotonic() - started
        self.next_report = time.monotonic() + max(REPORT_SECONDS, took / REPORT_SHARE)


def _legal(name: str) -> str:
    """A path of a space in the letters that MLflow allows."""
    return re.sub(r"[^\w\-. /:]", "_", name)


def _now() -> int:
    return int(time.time() * 1000)
