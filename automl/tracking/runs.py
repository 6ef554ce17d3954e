"""One MLflow parent run per search, one nested run per trial, made from the search's events."""

from __future__ import annotations

import re
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.config import decode
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId
from automl.tracking import views
from automl.tracking.journal import Event
from automl.tracking.mlflow_client import EXPERIMENT, children
from automl.trial.result import Status, TrialResult

if TYPE_CHECKING:
    from mlflow import MlflowClient

ENDS = {
    Status.COMPLETE: "FINISHED",
    Status.STOPPED: "FINISHED",
    Status.REJECTED: "FINISHED",
    Status.FAILED: "FAILED",
}
MAX_NAME, MAX_TEXT = 250, 5000


@dataclass
class Pending:
    """What is to be written to one run next; `status` comes with its time."""

    params: dict[str, str] = field(default_factory=dict)
    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, Any] = field(default_factory=dict)
    status: tuple[str, int] | None = None


class Runs:
    """A search's runs on a tracking server: it takes events in order, and writes when flushed.

    Events that are taken again change nothing: a run is looked for before it is made, and MLflow
    drops a metric of equal name, step, time and value.
    """

    def __init__(
        self, client: MlflowClient, study: Study, uri: str, artifacts: Path | None, since: int
    ) -> None:
        self.client, self.study = client, study
        self.experiment = self._find_experiment(artifacts)
        self.status: dict[str, str] = {}
        self.parent, self.is_new = self._find_parent(uri, since)
        self.trials: dict[TrialId, str] = {}
        self.find_trials()
        self.pending: dict[str, Pending] = defaultdict(Pending)
        self.pending[self.parent].params = _settings(study)
        self.front = study.front([])
        self.records: dict[TrialId, TrialRecord] = {}
        self.ended: dict[TrialId, int] = {}
        """When each trial ended."""

    def take(self, event: Event) -> None:
        TAKERS[event["event"]](self, event)

    def remember(self, event: Event) -> None:
        """Learn from an event that the server knows already."""
        if event["event"] != "finish":
            return
        trial = TrialId.parse(event["trial"])
        is_again = trial in self.ended
        self.records[trial] = TrialRecord(trial, {}, {}, result=decode(event["result"]))
        self.ended[trial] = event["time"]
        if is_again:
            # The study had not written its first end when the search was killed.
            self.front = self.study.front(self.records.values())
        else:
            self.front.add(self.records[trial])

    @property
    def front_trials(self) -> set[TrialId]:
        return {record.id for record in self.front.members}

    def find_trials(self) -> None:
        """Learn the trials' runs. Of two for one trial, made when the answer to the first request
        was lost, the one that is written to stays."""
        found = defaultdict(list)
        for run in children(self.client, self.experiment, self.parent):
            found[TrialId.parse(run.data.tags["automl.trial_id"])].append(run)
        for trial, runs in found.items():
            known = self.trials.get(trial)
            kept = max(runs, key=lambda run: (run.info.run_id == known, len(run.data.params)))
            self.trials[trial] = kept.info.run_id
            self.status[kept.info.run_id] = kept.info.status
            for run in runs:
                if run is not kept:
                    self.client.delete_run(run.info.run_id)

    def flush(self) -> None:
        """Write all that is pending, one batch per run."""
        from mlflow.entities import Metric, Param, RunTag

        for run_id, pending in self.pending.items():
            self.client.log_batch(
                run_id,
                [Metric(*metric) for metric in pending.metrics],
                [Param(key, value) for key, value in pending.params.items()],
                [RunTag(key, value) for key, value in pending.tags.items()],
            )
            for name, content in pending.artifacts.items():
                self.client.log_dict(run_id, content, name)
            if pending.status is not None:
                self._set_status(run_id, *pending.status)
        self.pending.clear()

    def _set_status(self, run_id: str, status: str, now: int) -> None:
        if status == "RUNNING":
            self.client.update_run(run_id, status)
        else:
            self.client.set_terminated(run_id, status, now)
        self.status[run_id] = status

    def _open(self, event: Event) -> None:
        if self.status[self.parent] != "RUNNING":
            self.pending[self.parent].status = ("RUNNING", event["time"])
        view = views.trials_view(self.study, self.parent, event["time"])
        self.client.set_experiment_tag(self.experiment, *view)

    def _start(self, event: Event) -> None:
        run_id = self._run(event)
        params = {_legal(name): str(value) for name, value in event["params"].items()}
        self.pending[run_id].params = params
        if self.status[run_id] != "RUNNING":
            self.pending[run_id].status = ("RUNNING", event["time"])

    def _run(self, event: Event) -> str:
        """The run of an event's trial, made if need be."""
        trial = TrialId.parse(event["trial"])
        if trial not in self.trials:
            tags = {
                "mlflow.parentRunId": self.parent,
                "automl.kind": "trial",
                "automl.trial_id": str(trial),
                "automl.study": self.study.name,
            }
            if trial.is_refit:
                tags["automl.origin"] = str(trial.origin)
            run = self.client.create_run(self.experiment, event["time"], tags, str(trial))
            self.trials[trial] = run.info.run_id
            self.status[run.info.run_id] = "RUNNING"
        return self.trials[trial]

    def _report(self, event: Event) -> None:
        self.pending[self._run(event)].metrics += [
            (_legal(f"{event['step']}/{name}"), value, event["time"], event["epoch"])
            for name, value in event["metrics"].items()
        ]

    def _finish(self, event: Event) -> None:
        before, now = self.front_trials, event["time"]
        self.remember(event)
        result: TrialResult = decode(event["result"])
        pending = self.pending[self._run(event)]
        pending.metrics += [(name, value, now, 0) for name, value in _figures(result)]
        pending.tags |= {"automl.status": str(result.status), "automl.key": result.key}
        if result.reason:
            pending.tags["automl.reason"] = result.reason[:MAX_TEXT]
        if result.notes:
            pending.tags["automl.notes"] = "; ".join(result.notes)[:MAX_TEXT]
        if result.sensitivity:
            pending.artifacts["sensitivity.json"] = result.sensitivity
        pending.status = (ENDS[result.status], now)
        for trial in before ^ self.front_trials:
            tag = {"automl.pareto": "true" if trial in self.front_trials else "false"}
            self.pending[self.trials[trial]].tags |= tag
        trials = [r.result for r in self.records.values() if not r.id.is_refit and r.result]
        counts = Counter(result.status for result in trials)
        figures = {"hypervolume": self.front.hypervolume, "front_size": len(self.front_trials)}
        figures |= {f"trials/{status}": count for status, count in counts.items()}
        self.pending[self.parent].metrics += [
            (name, float(value), now, len(self.ended)) for name, value in figures.items()
        ]

    def _end(self, event: Event) -> None:
        """Runs of trials that the search left unfinished are opened again when it is resumed."""
        self.find_trials()
        for trial, run_id in self.trials.items():
            if trial not in self.ended:
                self.pending[run_id].status = ("KILLED", event["time"])
        self.pending[self.parent].status = (event["status"], event["time"])

    def _find_experiment(self, artifacts: Path | None) -> str:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        location = None if artifacts is None else artifacts.as_uri()
        return str(self.client.create_experiment(EXPERIMENT, artifact_location=location))

    def _find_parent(self, uri: str, since: int) -> tuple[str, bool]:
        """The search's run, and whether it had to be made."""
        search = self.study.attribute("mlflow_search")
        if search is None:
            search = uuid.uuid4().hex
            self.study.set_attribute("mlflow_search", search)
        name = self.study.name
        tags = {"automl.kind": "search", "automl.study": name, "automl.search": search}
        known = f"tags.automl.search = '{search}'"
        found = self.client.search_runs([self.experiment], known, max_results=1)
        run = found[0] if found else self.client.create_run(self.experiment, since, tags, name)
        self.status[run.info.run_id] = run.info.status
        place = {"uri": uri, "experiment_id": self.experiment, "run_id": run.info.run_id}
        if self.study.attribute("mlflow") != place:
            self.study.set_attribute("mlflow", place)
        return run.info.run_id, not found


TAKERS = {
    "open": Runs._open,
    "start": Runs._start,
    "report": Runs._report,
    "finish": Runs._finish,
    "end": Runs._end,
}


def _settings(study: Study) -> dict[str, str]:
    """What the search was started with, as the parent's parameters."""
    settings = study.settings
    known = {"space": settings.space_name, "sampler": settings.sampler, "seed": str(settings.seed)}
    known["objectives"] = " ".join(settings.objectives)
    return known | {_legal(f"set.{path}"): value for path, value in settings.fixed.items()}


def _figures(result: TrialResult) -> list[tuple[str, float]]:
    """All numbers of how a trial ended."""
    figures = {"seconds": result.seconds, "reused_steps": result.reused_steps}
    figures |= {_legal(f"stage_seconds/{name}"): s for name, s in result.stages.items()}
    # MLflow's UI has a tab of its own for these.
    figures |= {f"system/{name}": value for name, value in result.system.items()}
    if result.teacher_seconds:
        figures["teacher_seconds"] = result.teacher_seconds
    if result.measurement is not None:
        figures |= result.measurement.figures
    return [(name, float(value)) for name, value in figures.items()]


def _legal(name: str) -> str:
    """A path of a space in the letters that MLflow allows."""
    return re.sub(r"[^\w\-. /:]", "_", name)[:MAX_NAME]
