"""Runs in MLflow, made of events: one parent run per search, one nested run per trial."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from automl.errors import words
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.summary import waiting_share
from automl.study.trial_id import TrialId
from automl.tracking import views
from automl.tracking.events import Ended, Event, Finished, Opened, Reported, Started
from automl.tracking.mlflow_client import EXPERIMENT, SearchRun, children
from automl.tracking.mlflow_values import (
    MAX_TEXT,
    Pending,
    Value,
    artifacts,
    figures,
    legal,
    settings,
    tags,
)
from automl.trial.result import Status

if TYPE_CHECKING:
    from mlflow import MlflowClient

ENDS = {
    Status.COMPLETE: "FINISHED",
    Status.STOPPED: "FINISHED",
    Status.REJECTED: "FINISHED",
    Status.FAILED: "FAILED",
}


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
        self.search_run, self.is_new = self._find_search_run(uri, since)
        self.trials: dict[str, str] = {}
        """The run of each trial."""
        self.find_trials()
        self.pending: dict[str, Pending] = defaultdict(Pending)
        self.pending[self.parent].params = settings(study)
        self.front = study.front([])
        self.records: dict[str, TrialRecord] = {}
        self.ended: dict[str, int] = {}
        """When each trial ended."""
        self.refused: list[str] = []
        """The batches that the server refused, and why."""

    def take(self, event: Event) -> None:
        """Prepare what an event changes on the server."""
        match event:
            case Opened():
                self._open(event)
            case Started():
                self._start(event)
            case Reported():
                self._report(event)
            case Finished():
                self._finish(event)
            case Ended():
                self._end(event)

    def remember(self, event: Event) -> None:
        """Learn from an event that the server knows already."""
        if not isinstance(event, Finished):
            return
        trial, is_known = event.trial, event.trial in self.ended
        self.records[trial] = TrialRecord(TrialId.parse(trial), {}, {}, result=event.result)
        self.ended[trial] = event.time
        if is_known:
            # The study had not written its first end when the search was killed.
            self.front = self.study.front(self.records.values())
        else:
            self.front.add(self.records[trial])

    @property
    def parent(self) -> str:
        """The id of the search's run."""
        return self.search_run.run_id

    @property
    def front_trials(self) -> set[str]:
        return {record.trial_id for record in self.front.members}

    def find_trials(self) -> None:
        """Learn the trials' runs. Of two runs of a trial, made when the answer to the first request
        was lost, the run that is written to stays."""
        found = defaultdict(list)
        for run in children(self.client, self.experiment, self.parent):
            found[run.data.tags["automl.trial_id"]].append(run)
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
        for run_id, pending in self.pending.items():
            self._write(run_id, pending)
            for name, content in pending.artifacts.items():
                self.client.log_text(run_id, content, name)
            if pending.status is not None:
                self._set_status(run_id, *pending.status)
        self.pending.clear()

    def _write(self, run_id: str, pending: Pending) -> None:
        """Write a batch; one that the server refuses must not hold up the others."""
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.exceptions import MlflowException

        try:
            self.client.log_batch(
                run_id,
                [Metric(*metric) for metric in pending.metrics],
                [Param(key, value) for key, value in pending.params.items()],
                [RunTag(key, value) for key, value in pending.tags.items()],
            )
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            self.refused.append(f"run {run_id}: {words(error)}".splitlines()[0])
            self.client.set_tag(run_id, "automl.refused", words(error)[:MAX_TEXT])

    def _set_status(self, run_id: str, status: str, now: int) -> None:
        if status == "RUNNING":
            self.client.update_run(run_id, status)
        else:
            self.client.set_terminated(run_id, status, now)
        self.status[run_id] = status

    def _open(self, event: Opened) -> None:
        if self.status[self.parent] != "RUNNING":
            self.pending[self.parent].status = ("RUNNING", event.time)
        view = views.trials_view(self.study, self.parent, event.time)
        self.client.set_experiment_tag(self.experiment, *view)

    def _start(self, event: Started) -> None:
        run_id = self._run(event)
        params = {legal(name): str(value) for name, value in event.params.items()}
        self.pending[run_id].params = params
        if self.status[run_id] != "RUNNING":
            self.pending[run_id].status = ("RUNNING", event.time)

    def _run(self, event: Started | Reported | Finished) -> str:
        """The run of an event's trial, made if need be."""
        trial = event.trial
        if trial not in self.trials:
            tags = {
                "mlflow.parentRunId": self.parent,
                "automl.kind": "trial",
                "automl.trial_id": trial,
                "automl.search": self.study.name,
                **self._user(),
            }
            if (identity := TrialId.parse(trial)).is_refit:
                tags["automl.origin"] = str(identity.origin)
            run = self.client.create_run(self.experiment, event.time, tags, trial)
            self.trials[trial] = run.info.run_id
            self.status[run.info.run_id] = "RUNNING"
        return self.trials[trial]

    def _report(self, event: Reported) -> None:
        self.pending[self._run(event)].metrics += [
            Value(legal(f"{event.step}/{name}"), value, event.time, event.epoch)
            for name, value in event.metrics.items()
        ]

    def _finish(self, event: Finished) -> None:
        before, result = self.front_trials, event.result
        self.remember(event)
        pending = self.pending[self._run(event)]
        pending.metrics += [Value(name, value, event.time, 0) for name, value in figures(result)]
        pending.tags |= tags(result)
        pending.artifacts |= artifacts(result)
        pending.status = (ENDS[result.status], event.time)
        # A user may have deleted the run of an earlier trial.
        for trial in (before ^ self.front_trials) & self.trials.keys():
            tag = {"automl.pareto": "true" if trial in self.front_trials else "false"}
            self.pending[self.trials[trial]].tags |= tag
        self.pending[self.parent].metrics += [
            Value(name, value, event.time, len(self.ended))
            for name, value in self._search_figures().items()
        ]

    def _search_figures(self) -> dict[str, float]:
        trials = [r.result for r in self.records.values() if not r.id.is_refit and r.result]
        counts = Counter(f"trials/{result.status}" for result in trials)
        return {
            "hypervolume": self.front.hypervolume,
            "front_size": float(len(self.front.members)),
            "waiting_for_measurer_share": waiting_share(trials),
            **{name: float(count) for name, count in counts.items()},
        }

    def _end(self, event: Ended) -> None:
        """Runs of trials that the search left unfinished are opened again when it is resumed."""
        self.find_trials()
        for trial, run_id in self.trials.items():
            if trial not in self.ended:
                self.pending[run_id].status = ("KILLED", event.time)
        self.pending[self.parent].status = (event.status, event.time)

    def _find_experiment(self, artifacts: Path | None) -> str:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            if found.lifecycle_stage == "deleted":
                # MLflow keeps the name of a deleted experiment, and lets nobody write to it.
                self.client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        location = None if artifacts is None else artifacts.as_uri()
        return str(self.client.create_experiment(EXPERIMENT, artifact_location=location))

    def _user(self) -> dict[str, str]:
        """The tag that says who started the search; MLflow shows it in a column of its own."""
        user = self.study.attribute("user")
        return {"mlflow.user": user} if user else {}

    def _find_search_run(self, uri: str, since: int) -> tuple[SearchRun, bool]:
        """The search's run, and whether it had to be made."""
        search = self.study.attribute("mlflow_search")
        if search is None:
            search = uuid.uuid4().hex
            self.study.set_attribute("mlflow_search", search)
        name = self.study.name
        tags = {"automl.kind": "search", "automl.search": name, "automl.search_id": search}
        tags |= self._user()
        known = f"tags.automl.search_id = '{search}'"
        found = self.client.search_runs([self.experiment], known, max_results=1)
        run = found[0] if found else self.client.create_run(self.experiment, since, tags, name)
        self.status[run.info.run_id] = run.info.status
        search_run = SearchRun(uri, self.experiment, run.info.run_id)
        search_run.write(self.study)
        return search_run, not found
