"""Publishes a search's files, report and champion on its page in MLflow, after the search too."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from automl.errors import traceback_of, words
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.tracking import registry, views
from automl.tracking.aliases import CHAMPION
from automl.tracking.mlflow_client import (
    SearchRun,
    children,
    connect_for,
    first_line,
    is_missing,
)
from automl.tracking.pages import files
from automl.tracking.registry import Shipped

if TYPE_CHECKING:
    from mlflow import MlflowClient

FAULTS_FILE = "faults.txt"


def add_files(study: Study, folder: Path) -> str:
    """Put a folder's files on a search's run; returns a sentence when that cannot be, or ""."""
    names = ", ".join(sorted(path.name for path in folder.iterdir()))
    if (run := SearchRun.of(study)) is None:
        return f"{study.name} has no run in MLflow to put {names} on"
    try:
        _client(study, run).log_artifacts(run.run_id, str(folder))
    except Exception as error:
        # Anything: a database and a storage of artifacts have errors of their own.
        return f"{names} is not on the search's page in MLflow ({first_line(error, run.uri)})"
    return ""


def publish_report(
    client: MlflowClient, run: SearchRun, study: Study, write: files.Write = files.write
) -> str:
    """Put the pages of a search, as it is now, on its run, and say it in the run's note.

    Returns what a page raised, or ""; the traceback is then put there, too.
    """
    raised, tracebacks = "", "\n\n".join(f"{f}\n{f.traceback}" for f in study.faults())
    with tempfile.TemporaryDirectory() as folder:
        try:
            write(study, Path(folder))
        except Exception as error:
            raised = words(error)
            (Path(folder) / "pages-traceback.txt").write_text(traceback_of(error), encoding="utf-8")
        if tracebacks:
            (Path(folder) / FAULTS_FILE).write_text(tracebacks, encoding="utf-8")
        client.log_artifacts(run.run_id, folder)
    write_note(client, run, study)
    return f"its pages: {raised}" if raised else ""


def write_note(client: MlflowClient, run: SearchRun, study: Study) -> None:
    """Tell what a search found in the note of its run."""
    client.set_tag(run.run_id, "mlflow.note.content", views.note(study, run))


def mark_champion(study: Study, record: TrialRecord, shipped: Shipped) -> str:
    """Make an exported model the champion, marked on the search's pages; returns why MLflow does
    not know it yet, or ""."""
    if (search := SearchRun.of(study)) is None:
        return _not_champion(study, "it has not heard of the search")
    try:
        client, experiment = _client(study, search), search.experiment_id
        wanted = f" and tags.automl.trial_id = '{record.trial_id}'"
        run = next(children(client, experiment, search.run_id, wanted), None)
        if run is None or run.info.end_time is None:
            raise ConnectionError("it has not heard of the trial's end")
        publish_report(client, search, study)
        registered = registry.open_registry(client, experiment, study)
        registered.add(record, run.info.run_id, run.info.end_time, shipped)
        registered.set_alias(CHAMPION, run.info.run_id)
        write_note(client, search, study)
    except Exception as error:
        return _not_champion(study, first_line(error, search.uri))
    return ""


def _not_champion(study: Study, why: str) -> str:
    return (
        f"MLflow does not show the export as the champion yet ({why}); "
        f"once it can: automl sync {study.name}"
    )


def _client(study: Study, run: SearchRun) -> MlflowClient:
    """A client of the server that has a search's run. Raises FileNotFoundError for a database that
    is no longer there."""
    if is_missing(run.uri):
        raise FileNotFoundError(f"{run.uri} is not there")
    return connect_for(study, run.uri)
