"""Registered models of searches that share a tracking server and a name."""

import pytest
from helpers.small_study import make_study

from automl.tracking import views
from automl.tracking.mlflow_client import SearchRun, connect
from automl.tracking.registry import open_registry


@pytest.fixture
def client(tmp_path):
    return connect(f"sqlite:///{tmp_path / 'mlflow.db'}")


def search_of(user, folder):
    study = make_study(folder)
    study.set_attribute("user", user)
    study.set_attribute("mlflow_search", f"{user}s-search")
    return study


def test_two_searches_of_one_name_have_a_registered_model_each(client, tmp_path):
    experiment = client.create_experiment("automl")
    ann, ben, bens_other = (
        search_of(user, tmp_path / name)
        for user, name in (("ann", "1"), ("ben", "2"), ("ben", "3"))
    )
    bens_other.set_attribute("mlflow_search", "another")
    names = [open_registry(client, experiment, study).name for study in (ann, ben, bens_other)]
    assert names == ["mine", "mine-ben", "mine-ben-2"]
    assert open_registry(client, experiment, ben).name == "mine-ben", "again its own"
    note = views.note(ben, SearchRun("", experiment, "run"))
    assert 'mlflow.onnx.load_model("models:/mine-ben@knee")' in note


def test_a_search_without_a_registered_model_is_not_said_to_have_one(tmp_path):
    assert "models:/" not in views.note(search_of("ann", tmp_path), SearchRun("", "0", "run"))


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://host:5000", '`mlflow.set_tracking_uri("http://host:5000")`, then `mlflow.onnx.'),
        ("sqlite:////a@b/mlflow.db", '`mlflow.set_tracking_uri("sqlite:////a@b/mlflow.db")`, then'),
        ("https://ann:secret@host/", "with the address of this database in `MLFLOW_TRACKING_URI`"),
        ("postgresql://ann:secret@host/db", "with the address of this database in `MLFLOW_TRACK"),
    ],
)
def test_how_to_load_a_model_is_told_without_a_password(uri, words):
    told = views.loading(uri, "mine")
    assert words in told and "secret" not in told
    assert 'mlflow.onnx.load_model("models:/mine@knee")' in told
