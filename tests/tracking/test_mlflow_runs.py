"""What MLflow shows of a search that ran."""

import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
from sklearn.datasets import load_digits

from automl.engine import api
from automl.engine.searches import open_study
from automl.home import Home
from automl.runtimes import onnx
from automl.store import Store
from automl.study.front import Front
from automl.study.selection import choose
from automl.tracking import views


@pytest.fixture
def client(searched):
    return mlflow.MlflowClient(searched.home.mlflow_uri)


@pytest.fixture
def parent(client, searched):
    return client.get_run(searched.study.attribute("mlflow")["run_id"])


@pytest.fixture
def children(client, searched):
    place = searched.study.attribute("mlflow")
    condition = f"tags.`mlflow.parentRunId` = '{place['run_id']}'"
    return client.search_runs([place["experiment_id"]], condition)


def test_every_trial_has_one_run_with_its_figures(searched, children):
    by_id = {run.data.tags["automl.trial_id"]: run for run in children}
    refits = searched.study.refits()
    assert len(by_id) == len(children) == 6 + len(refits)
    for record in [*searched.study.records(), *refits]:
        run = by_id[record.trial_id]
        assert run.data.params == {name: str(value) for name, value in record.params.items()}
        assert run.data.tags["automl.status"] == record.result.status
        assert (run.data.tags.get("automl.origin") is not None) == (record in refits)
        assert run.info.status == "FINISHED"
        if record.result.measurement is not None:
            assert {n: run.data.metrics[n] for n in record.values} == record.values
        assert "train/loss" in run.data.metrics or record.result.reused_steps


def test_epochs_are_steps_of_a_metric(client, searched, children):
    # Which trials are stopped on their way depends on the order in which they come.
    whole = [r for r in children if r.data.tags["automl.status"] == "complete"]
    trials = [r for r in whole if "automl.origin" not in r.data.tags]
    fresh = [r for r in trials if r.data.metrics["reused_steps"] == 0]
    history = client.get_metric_history(fresh[0].info.run_id, "train/loss")
    assert [metric.step for metric in history] == [1, 2, 3, 4, 5, 6]


def test_front_members_are_marked(searched, children):
    marked = {
        run.data.tags["automl.trial_id"]
        for run in children
        if run.data.tags.get("automl.pareto") == "true"
    }
    assert marked == {record.trial_id for record in searched.members()}


def test_the_parent_carries_the_report_and_the_hypervolume_over_time(client, searched, parent):
    artifacts = {item.path for item in client.list_artifacts(parent.info.run_id)}
    assert artifacts == {"report.html", "front.html", "front.png", "front.csv", "front.json"}
    history = client.get_metric_history(parent.info.run_id, "hypervolume")
    values = [metric.value for metric in sorted(history, key=lambda metric: metric.step)]
    front, expected = Front(searched.study.settings), []
    ended = [*searched.study.records(), *searched.study.refits()]
    for record in sorted(ended, key=lambda record: record.ended):
        front.add(record)
        expected.append(front.hypervolume)
    assert values == expected
    assert values[-1] == searched.summary().hypervolume
    assert parent.data.tags["automl.kind"] == "search"
    assert parent.info.status == "FINISHED"


@pytest.fixture
def registry(searched, monkeypatch):
    """MLflow as a user has it who points it to the home."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(searched.home.mlflow_uri)
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


def test_front_members_are_registered_as_they_ship(searched, registry, children):
    versions = registry.search_model_versions("name = 'digits'")
    store, runs = Store(searched.home.store), {run.info.run_id: run for run in children}
    trials = {runs[version.run_id].data.tags["automl.trial_id"]: version for version in versions}
    assert trials.keys() >= {record.trial_id for record in searched.members()}
    assert len(trials) == len(versions)
    for record in searched.members():
        uri = f"models:/digits/{trials[record.trial_id].version}"
        shipped = store.read(record.result.key, "model.onnx")
        folder = Path(mlflow.artifacts.download_artifacts(uri))
        assert (folder / "model.onnx").read_bytes() == shipped
        assert mlflow.onnx.load_model(uri).SerializeToString() == shipped
        artifact = registry.download_artifacts(trials[record.trial_id].run_id, "model.onnx")
        assert Path(artifact).read_bytes() == shipped
        (model,) = runs[trials[record.trial_id].run_id].outputs.model_outputs
        logged = registry.get_logged_model(model.model_id)
        assert {m.key: m.value for m in logged.metrics} == record.values


def test_the_aliases_are_where_export_would_look_and_predict(searched, registry):
    rows = load_digits().data.astype(np.float32)
    wishes = {
        "most-accurate": {"best": "accuracy"},
        "smallest": {"best": "size_bytes"},
        "fastest": {"best": "latency_ms"},
        "knee": {"knee": True},
    }
    for alias, wish in wishes.items():
        record = choose(searched.study, **wish)
        version = registry.get_model_version_by_alias("digits", alias)
        assert version.tags["automl.trial_id"] == record.trial_id
        model = mlflow.pyfunc.load_model(f"models:/digits@{alias}")
        session = onnx.session(Store(searched.home.store).read(record.result.key, "model.onnx"))
        expected = onnx.run(session, rows, len(rows))
        np.testing.assert_allclose(model.predict(rows)["logits"], expected, rtol=1e-5, atol=1e-5)
        assert model.predict(model.input_example)["logits"].shape == (1, 10)
        assert model.metadata.signature.outputs.inputs[0].shape == (-1, 10)


def test_an_exported_model_is_the_champion(searched, registry, tmp_path, capsys):
    for record in searched.members()[-2:]:
        searched.export(tmp_path, trial=record.trial_id)
        version = registry.get_model_version_by_alias("digits", "champion")
        assert version.tags["automl.trial_id"] == record.trial_id
        assert capsys.readouterr().err == ""
        place = searched.study.attribute("mlflow")
        note = registry.get_run(place["run_id"]).data.tags["mlflow.note.content"]
        assert f"**champion**: trial {record.trial_id}" in note
        page = registry.download_artifacts(place["run_id"], views.REPORT, str(tmp_path))
        assert f"Take trial {record.trial_id}" in Path(page).read_text()
        capsys.readouterr()


def test_an_export_does_without_its_tracking_server(searched, tmp_path, monkeypatch, capsys):
    place = {**searched.study.attribute("mlflow"), "uri": "http://127.0.0.1:1"}
    monkeypatch.setattr(type(searched.study), "attribute", lambda *_: place)
    exported = searched.export(tmp_path, best="accuracy")
    assert exported.files["model.onnx"]
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "does not show the export as the champion yet" in sentence
    assert "automl sync digits" in sentence


def test_a_second_sync_adds_nothing(searched, children, tmp_path):
    home = tmp_path / "home"
    kept = shutil.ignore_patterns("mlflow.db*", "mlartifacts", "ray")
    shutil.copytree(searched.home.path, home, ignore=kept)
    for _ in range(2):
        assert api.sync("digits", home=home) == ""
        place = open_study(Home(home), "digits").attribute("mlflow")
        client = mlflow.MlflowClient(Home(home).mlflow_uri)
        condition = f"tags.mlflow.parentRunId = '{place['run_id']}'"
        copied = {
            run.data.tags["automl.trial_id"]: run
            for run in client.search_runs([place["experiment_id"]], condition)
        }
        assert len(copied) == len(children)
        for run in children:
            copy = copied[run.data.tags["automl.trial_id"]]
            assert (copy.data.params, copy.data.metrics) == (run.data.params, run.data.metrics)
            assert (copy.info.start_time, copy.info.end_time, copy.info.status) == (
                *(run.info.start_time, run.info.end_time, run.info.status),
            )
        versions = client.search_model_versions("name = 'digits'")
        assert len(versions) == len(searched.members())


def test_the_note_holds_findings_and_a_command(searched, parent):
    note = parent.data.tags["mlflow.note.content"]
    assert f"{len(searched.members())} models on the front" in note
    best = choose(searched.study, best="accuracy")
    assert f"**most-accurate**: trial {best.trial_id}" in note
    assert "automl export digits --knee --out out" in note
