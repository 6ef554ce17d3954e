import json
from dataclasses import replace

import mlflow
import pytest

from automl.pareto import Axis
from automl.result import TrialResult
from automl.study.study import Settings, TrialRecord, create
from automl.tracking.mlflow_runs import Tracker


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


def test_every_trial_has_one_nested_run_with_its_parameters_and_figures(searched, children):
    by_id = {run.data.tags["automl.trial_id"]: run for run in children}
    finishes = searched.study.finishes()
    assert finishes and len(by_id) == len(children) == 6 + len(finishes)
    for record in [*searched.study.records(), *finishes]:
        run = by_id[record.trial_id]
        assert run.data.params == {name: str(value) for name, value in record.params.items()}
        assert run.data.tags["automl.status"] == record.result.status
        assert (run.data.tags.get("automl.origin") is not None) == (record in finishes)
        assert run.info.status == "FINISHED"
        if record.result.measurement is not None:
            assert {n: run.data.metrics[n] for n in record.values} == record.values
        assert "train/loss" in run.data.metrics or record.result.reused_steps


def test_epochs_are_steps_of_a_metric(client, searched, children):
    trials = [r for r in children if "automl.origin" not in r.data.tags]
    fresh = [r for r in trials if r.data.metrics["reused_steps"] == 0]
    history = client.get_metric_history(fresh[0].info.run_id, "train/loss")
    assert [metric.step for metric in history] == [1, 2, 3, 4, 5, 6]


def test_front_members_are_marked(searched, children):
    marked = {
        run.data.tags["automl.trial_id"]
        for run in children
        if run.data.tags.get("automl.pareto") == "true"
    }
    assert marked == {record.trial_id for record in searched.front()}


def test_the_parent_carries_the_report_and_the_hypervolume_over_time(client, searched, parent):
    artifacts = {item.path for item in client.list_artifacts(parent.info.run_id)}
    assert artifacts == {"report.html", "front.html", "front.png", "front.csv", "front.json"}
    history = client.get_metric_history(parent.info.run_id, "hypervolume")
    values = [metric.value for metric in sorted(history, key=lambda metric: metric.step)]
    assert len(values) == 6 + len(searched.study.finishes())
    assert values == sorted(values)
    assert values[-1] == searched.summary()["hypervolume"]
    assert parent.data.tags["automl.kind"] == "search"
    assert parent.info.status == "FINISHED"


def test_what_layers_lose_is_an_artifact_of_the_trial_that_used_it(tmp_path):
    axes = {"accuracy": Axis(0.1, 1.0)}
    settings = Settings("digits", "", ("accuracy",), (), {}, 0, "random", axes, 1.0)
    study = create(tmp_path / "mine", settings, "text", b"file")
    uri, artifacts = f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "artifacts"
    tracker = Tracker(study, uri, artifacts, lambda study, folder: None)
    options = [{"value": 8, "size": 64, "loss": 0.0}, {"value": 1, "size": 8, "loss": 0.5}]
    measured = {"quantize": {"of": "bits", "layers": {"block0.linear": options}}}
    for found in (measured, {}):
        record = TrialRecord(len(study.records()), {}, {}, 1)
        study.start(record)
        tracker.started(record)
        result = TrialResult("rejected", reason="why", key="k", sensitivity=found)
        study.finish(record.number, result, record.number + 1)
        tracker.finished(replace(record, result=result))
    assert tracker.close("FINISHED") == ""
    client = mlflow.MlflowClient(uri)
    with_one, without = (tracker.runs[record.number] for record in study.records())
    (item,) = client.list_artifacts(with_one)
    assert item.path == "sensitivity.json"
    file = client.download_artifacts(with_one, item.path, str(tmp_path))
    with open(file) as text:
        assert json.load(text) == measured
    assert client.list_artifacts(without) == []
