"""What a search's page in MLflow gets after the search, and what is told where that cannot be."""

import time

import pytest
from helpers import acted_search as acted
from helpers import known_search as known

from automl.tracking import publish


@pytest.fixture
def study(tmp_path):
    return known.make(tmp_path)


@pytest.fixture
def page(tmp_path):
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "explain.html").write_text("a page")
    return folder


def reports_to(study, uri):
    study.set_attribute("mlflow", {"uri": uri, "experiment_id": "1", "run_id": "a" * 32})


def told(study, page):
    """The sentences on a page that is added, and on a model that is exported."""
    began = time.monotonic()
    champion = publish.mark_champion(study, study.records()[0], acted.shipped(0))
    sentences = publish.add_files(study, page), champion
    assert time.monotonic() - began < 20, "MLflow tries a database for 101 seconds"
    return sentences


def test_a_database_that_is_away_is_told_in_a_sentence(study, page):
    reports_to(study, f"sqlite:///{page}")
    for sentence in told(study, page):
        assert "unable to open database file" in sentence and "\n" not in sentence


def test_a_server_that_is_away_is_told_without_its_password(study, page):
    reports_to(study, "http://ann:secret@127.0.0.1:1")
    for sentence in told(study, page):
        assert "http://ann:***@127.0.0.1:1" in sentence and "secret" not in sentence
