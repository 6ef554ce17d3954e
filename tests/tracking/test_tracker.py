"""A search's events on a real tracking server: on SQLite, and over HTTP with outages."""

import contextlib
import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from helpers import acted_search as acted
from helpers.mlflow_server import Server
from mlflow.exceptions import RestException

from automl.faults import Fault
from automl.measure.measurement import Measurement
from automl.recipe import LayerOutcome, Report
from automl.study.trial_id import TrialId
from automl.tracking import journal
from automl.tracking.mlflow_client import connect
from automl.trial import layer_outcomes


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An empty MLflow database: to make one takes seconds."""
    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    connect(f"sqlite:///{file}").search_experiments(max_results=1)
    return file


@pytest.fixture
def uri(database, tmp_path):
    shutil.copy(database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def study(tmp_path):
    return acted.study(tmp_path / "digits")


def tell(study, uri, numbers, status="FINISHED"):
    """One run of a search, from its beginning to its end."""
    tracker = acted.tracker(study, uri)
    tracker.opened()
    acted.act(tracker, numbers)
    assert tracker.close(status) == ""


def test_a_trial_has_its_parameters_epochs_stages_and_figures(study, uri):
    tracker = acted.tracker(study, uri)
    acted.act(tracker, range(2))
    record = acted.start(tracker, 2)
    system = {"cpu_seconds": 3.0, "peak_memory_mb": 500.0}
    acted.finish(
        tracker, record, status="rejected", measurement=None, reason="w" * 9000, system=system
    )
    assert tracker.close("FINISHED") == ""
    check = acted.shown(study, uri)[2]
    assert check["0001"].data.params == {"width": "8", "optimizer": "SGD"}
    figures = check["0001"].data.metrics
    assert {"accuracy", "size_bytes", "latency_ms", "train/loss", "stage_seconds/train"} <= {
        *figures
    }
    rejected = check["0002"].data
    assert rejected.tags["automl.status"] == "rejected"
    assert set(rejected.tags["automl.reason"]) == {"w"}
    assert rejected.metrics["system/peak_memory_mb"] == 500.0
    assert "automl.pareto" not in rejected.tags


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tags.automl.status = 'complete'", ["0000", "0001", "0002"]),
        ("metrics.size_bytes < 200 and metrics.accuracy > 0.5005", ["0001", "0002"]),
        ("tags.automl.pareto = 'true'", ["0000", "0001", "0002"]),
        ("params.width = '8' and params.optimizer = 'SGD'", ["0000", "0001", "0002"]),
        ("metrics.`stage_seconds/train` > 0.5 and tags.automl.trial_id = '0002'", ["0002"]),
    ],
)
def test_what_users_type_finds_trials(query, expected, finished):
    client, parent, _ = finished
    found = client.search_runs([parent.info.experiment_id], query)
    assert sorted(run.data.tags["automl.trial_id"] for run in found) == expected


@pytest.fixture(scope="module")
def finished(database, tmp_path_factory):
    """A search of three trials."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copy(database, folder / "mlflow.db")
    study, uri = acted.study(folder / "digits"), f"sqlite:///{folder}/mlflow.db"
    tell(study, uri, range(3))
    return acted.shown(study, uri)


def test_what_is_known_of_layers_is_an_artifact_of_its_trials(study, uri, tmp_path):
    tracker = acted.tracker(study, uri)
    options = [{"value": 8, "size": 64, "loss": 0.0}, {"value": 1, "size": 8, "loss": 0.5}]
    measured = {"quantize": {"of": "bits", "layers": {"block0.linear": options}}}
    left = LayerOutcome("lstm.weight_ih_l0", 30, reason="LSTM")
    outcomes = {"quantize": (left, LayerOutcome("head.weight", 10, "8 bits"))}
    for number, found in enumerate(({"sensitivity": measured, "outcomes": outcomes}, {})):
        record = acted.start(tracker, number)
        acted.finish(tracker, record, status="failed", measurement=None, **found)
    assert tracker.close("FINISHED") == ""
    client, _, runs = acted.shown(study, uri)
    run = runs["0000"]
    paths = [item.path for item in client.list_artifacts(run.info.run_id)]
    files = [client.download_artifacts(run.info.run_id, path, str(tmp_path)) for path in paths]
    assert {path: json.loads(Path(file).read_text()) for path, file in zip(paths, files)} == {
        "layers.json": layer_outcomes.as_json(outcomes),
        "sensitivity.json": measured,
    }
    assert run.data.metrics["untouched_share"] == 0.75
    assert client.list_artifacts(runs["0001"].info.run_id) == []
    assert "untouched_share" not in runs["0001"].data.metrics
    assert run.info.status == "FAILED"


def test_a_resumed_search_goes_on_on_the_same_page(study, uri):
    tracker = acted.tracker(study, uri)
    tracker.opened()
    acted.act(tracker, range(2))
    record = acted.start(tracker, 2)
    acted.report(tracker, 2, 1)
    assert tracker.close("KILLED") == ""
    _, parent, runs = acted.shown(study, uri)
    assert (parent.info.status, runs["0002"].info.status) == ("KILLED", "KILLED")
    tracker = acted.tracker(study, uri)
    tracker.opened()
    tracker.started(record)
    for epoch in range(1, acted.EPOCHS + 1):
        acted.report(tracker, 2, epoch)
    acted.finish(tracker, record)
    acted.act(tracker, [3])
    assert tracker.close("FINISHED") == ""
    acted.check_nothing_is_lost(study, uri, 4)


def test_a_resumed_search_delivers_what_the_journal_missed(study, uri):
    """The search was killed between writing to the study and to the journal."""
    for number in range(2):
        record = replace(acted.RECORD, id=TrialId(number))
        study.start(record)
        ended = replace(record, result=acted.complete(number))
        study.end(ended.on_course(departure=number + 1))
    acted.tracker(study, uri).close("FINISHED")
    _, _, runs = acted.shown(study, uri)
    assert {run.data.tags["automl.pareto"] for run in runs.values()} == {"true"}
    assert [run.data.params["width"] for run in runs.values()] == ["8", "8"]


def test_a_trial_whose_end_the_study_lost_may_end_again(study, uri):
    """The search was killed between writing to the journal and to the study."""
    tracker = acted.tracker(study, uri)
    record = acted.start(tracker, 0)
    tracker.finished(replace(record, result=acted.complete(9)))
    assert tracker.close("KILLED") == ""
    tracker = acted.tracker(study, uri)
    tracker.started(record)
    acted.finish(tracker, record)
    acted.act(tracker, [1])
    assert tracker.close("FINISHED") == ""
    _, _, runs = acted.shown(study, uri)
    assert (
        runs["0000"].data.metrics["accuracy"] == acted.complete(0).measurement.quality["accuracy"]
    )
    assert (
        runs["0000"].data.tags["automl.pareto"] == runs["0001"].data.tags["automl.pareto"] == "true"
    )


def test_a_refit_is_a_run_that_names_its_trial(study, uri):
    tracker = acted.tracker(study, uri)
    acted.act(tracker, range(2))
    refit = replace(acted.RECORD, id=TrialId(1).refit, config="{}", result=acted.complete(2))
    study.write_refit(refit)
    tracker.started(refit)
    tracker.finished(refit)
    assert tracker.close("FINISHED") == ""
    origins = {
        trial: run.data.tags.get("automl.origin")
        for trial, run in acted.shown(study, uri)[2].items()
    }
    assert origins == {"0000": None, "0001": None, "0001-refit": "0001"}


def test_another_server_gets_everything(study, uri, database, tmp_path):
    tell(study, uri, range(2))
    shutil.copy(database, tmp_path / "second.db")
    second = f"sqlite:///{tmp_path}/second.db"
    assert acted.tracker(study, second).close("FINISHED") == ""
    acted.check_nothing_is_lost(study, second, 2)


def test_another_server_gets_a_search_that_went_on_after_an_end(
    study, uri, database, tmp_path, monkeypatch
):
    tell(study, uri, range(1), status="KILLED")
    tell(study, uri, range(1, 3))
    shutil.copy(database, tmp_path / "second.db")
    second = f"sqlite:///{tmp_path}/second.db"
    monkeypatch.setattr(journal, "BATCH_BYTES", 100)
    assert acted.tracker(study, second).close("FINISHED") == ""
    acted.check_nothing_is_lost(study, second, 3)
    assert len(connect(second).search_model_versions("name = 'digits'")) == 3


def test_a_search_goes_on_whose_run_of_the_front_was_deleted(study, uri):
    tell(study, uri, range(2))
    client, _, runs = acted.shown(study, uri)
    client.delete_run(runs["0001"].info.run_id)
    tracker = acted.tracker(study, uri)
    tracker.opened()
    # As large as trial 1, which leaves the front.
    record = acted.start(tracker, 2)
    better = {**vars(acted.complete(1).measurement), "quality": {"accuracy": 0.9, "macro_f1": 0.9}}
    acted.finish(tracker, record, measurement=Measurement(**better))
    assert tracker.close("FINISHED") == ""
    _, parent, runs = acted.shown(study, uri)
    assert sorted(runs) == ["0000", "0002"]
    assert parent.info.status == "FINISHED"
    assert runs["0002"].data.tags["automl.pareto"] == "true"


def test_an_experiment_that_was_deleted_is_written_to_again(study, uri):
    tell(study, uri, range(1))
    client, parent, _ = acted.shown(study, uri)
    client.delete_experiment(parent.info.experiment_id)
    tell(study, uri, range(1, 2))
    acted.check_nothing_is_lost(study, uri, 2)
    assert client.get_experiment_by_name("automl").lifecycle_stage == "active"


def test_a_server_that_lost_everything_gets_it_again(study, uri, database, tmp_path):
    tell(study, uri, range(2))
    with (
        contextlib.closing(sqlite3.connect(database)) as empty,
        contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as served,
    ):
        empty.backup(served)
    assert acted.tracker(study, uri).close("FINISHED") == ""
    acted.check_nothing_is_lost(study, uri, 2)


def test_the_written_one_of_two_runs_stays(study, uri):
    """MLflow made a run, and its answer was lost."""
    tell(study, uri, range(2))
    client, parent, runs = acted.shown(study, uri)
    first = runs["0000"]
    client.create_run(parent.info.experiment_id, first.info.start_time, first.data.tags)
    with pytest.raises(AssertionError, match="two runs"):
        acted.shown(study, uri)
    acted.tracker(study, uri).close("FINISHED")
    assert acted.shown(study, uri)[2]["0000"].info.run_id == first.info.run_id


@pytest.fixture
def server(database, tmp_path):
    shutil.copy(database, tmp_path / "mlflow.db")
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("seconds", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_a_server_that_is_killed_and_comes_back_gets_everything_once(study, server, seconds):
    tracker = acted.tracker(study, server.uri)
    tracker.opened()
    acted.act(tracker, range(10), pause=0.04)
    server.kill()
    acted.act(tracker, range(10, 20), pause=seconds / 10 / acted.EPOCHS)
    server.start()
    acted.act(tracker, range(20, 25), pause=0.02)
    assert tracker.close("FINISHED") == ""
    acted.check_nothing_is_lost(study, server.uri, 25)
    client = connect(server.uri)
    assert set(client.get_registered_model("digits").aliases) >= {"knee", "smallest"}


def test_what_a_server_missed_is_delivered_after_the_search(study, server):
    tracker = acted.tracker(study, server.uri)
    acted.act(tracker, range(5))
    server.kill()
    acted.act(tracker, range(5, 10))
    sentence = tracker.close("FINISHED")
    assert not tracker.delivering.thread.is_alive(), "it gave up by itself"
    assert "MLflow has not got everything" in sentence and "automl sync digits" in sentence
    server.start()
    assert acted.tracker(study, server.uri).close("FINISHED") == ""
    acted.check_nothing_is_lost(study, server.uri, 10)


def test_a_traceback_is_an_artifact_of_its_trial(study, uri, tmp_path):
    tracker = acted.tracker(study, uri)
    record = acted.start(tracker, 0)
    acted.finish(tracker, record, status="failed", measurement=None, traceback="Traceback …\nhere")
    assert tracker.close("FINISHED") == ""
    client, _, runs = acted.shown(study, uri)
    (item,) = client.list_artifacts(runs["0000"].info.run_id)
    file = client.download_artifacts(runs["0000"].info.run_id, item.path, str(tmp_path))
    assert item.path == "traceback.txt"
    assert Path(file).read_text(encoding="utf-8") == "Traceback …\nhere"


def test_an_error_of_a_page_stops_nothing_else(study, uri):
    study.set_attribute("faults", [vars(Fault("refit", "could not be planned", "why", "where"))])

    def write_report(study, folder):
        (folder / "front.html").write_text("a page")
        raise KeyError("no such figure")

    tracker = acted.tracker(study, uri, write_report)
    acted.act(tracker, [0])
    told = tracker.close("FINISHED")
    assert "MLflow has not got everything (its pages: KeyError: 'no such figure')" in told
    client, parent, runs = acted.shown(study, uri)
    assert [run.info.status for run in (parent, *runs.values())] == ["FINISHED", "FINISHED"]
    names = {item.path for item in client.list_artifacts(parent.info.run_id)}
    assert names == {"front.html", "pages-traceback.txt", "faults.txt"}


def test_a_batch_that_the_server_refuses_holds_up_no_other(study, uri):
    tracker = acted.tracker(study, uri)
    tracker.opened()
    record = acted.start(tracker, 0)
    tracker.reported(record.id, Report("no/../path", 1, 1, {"loss": 1.0}))
    acted.finish(tracker, record)
    acted.act(tracker, [1])
    assert "Invalid value" in tracker.close("FINISHED")
    _, parent, runs = acted.shown(study, uri)
    assert {run.info.status for run in (parent, *runs.values())} == {"FINISHED"}
    assert "no/../path" in runs["0000"].data.tags["automl.refused"]
    assert runs["0001"].data.metrics["accuracy"] > 0


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("ENDPOINT_NOT_FOUND", "it may be older than MLflow 3"),
        ("PERMISSION_DENIED", "does not let this user register models"),
    ],
)
def test_a_server_that_registers_no_models_has_all_else(code, why, study, uri, monkeypatch):
    def refuse(*arguments):
        raise RestException({"error_code": code, "message": "no"})

    with monkeypatch.context() as refusing:
        refusing.setattr(mlflow.MlflowClient, "search_logged_models", refuse)
        tracker = acted.tracker(study, uri)
        acted.act(tracker, [0])
        assert tracker.close("FINISHED").startswith("MLflow has no registered models of it: the")
        again = acted.tracker(study, uri).close("FINISHED")
    assert why in again and "sync" not in again, "nothing waits"
    client, parent, _ = acted.shown(study, uri)
    assert why in parent.data.tags["mlflow.note.content"]
    assert [item.path for item in client.list_artifacts(parent.info.run_id)] == ["front.html"]
    assert acted.tracker(study, uri).close("FINISHED") == ""
    assert len(client.search_model_versions("name = 'digits'")) == 1, "once the server takes it"
    note = acted.shown(study, uri)[1].data.tags["mlflow.note.content"]
    assert "models:/digits@knee" in note and why not in note
