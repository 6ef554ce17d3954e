"""A home that was moved or copied, with all that its own MLflow has of a search."""

import contextlib
import re
import shutil
import sqlite3
from dataclasses import asdict, replace
from pathlib import Path

import mlflow
import pytest
from helpers import acted_search as acted

from automl.home import Home
from automl.study.study import Study
from automl.tracking import mlflow_patches, publish
from automl.tracking.delivery import Delivery
from automl.tracking.mlflow_client import SearchRun, connect, settle
from automl.tracking.tracker import Tracker


def deliver(home, numbers):
    """A run of a search as a process that delivers brings it to the home's own database."""
    study = acted.study(home.study("digits")) if numbers else Study(home.study("digits"))

    def shipped(record):
        return acted.shipped(record.id.number)

    delivery = Delivery(study, home.mlflow_uri, home.mlflow_artifacts, acted.write_front, shipped)
    tracker = Tracker(study, acted.InThread(delivery))
    tracker.opened()
    acted.act(tracker, numbers)
    assert tracker.close("FINISHED") == ""
    assert publish.add_files(study, page(home, "of the first home")) == ""
    return study


def page(home, words):
    """A folder with a page that only a command writes, as `automl explain`."""
    folder = home.path.parent / "written"
    folder.mkdir(exist_ok=True)
    (folder / "explain.html").write_text(words)
    return folder


@pytest.fixture(scope="module")
def delivered(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("delivered") / "a home")
    deliver(home, range(2))
    return home


@pytest.fixture(params=["as it is kept", "as earlier versions kept it"])
def home(delivered, tmp_path, request):
    """A home of which MLflow knows that it lies here."""
    home = Home(tmp_path / "first home")
    shutil.copytree(delivered.path, home.path)
    settle(home)
    study = Study(home.study("digits"))
    assert study.attribute("mlflow")["uri"] == "home"
    if request.param != "as it is kept":
        earlier = replace(SearchRun.of(study), uri=home.mlflow_uri)
        study.set_attribute("mlflow", asdict(earlier))
    return home


def content(home):
    files = (path for path in home.path.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files}


def explanation(home):
    run = SearchRun.of(Study(home.study("digits")))
    listed = [file.path for file in connect(run.uri).list_artifacts(run.run_id)]
    assert {"explain.html", "front.html"} <= {*listed}
    return Path(connect(run.uri).download_artifacts(run.run_id, "explain.html")).read_text()


def test_what_a_copy_writes_stays_in_the_copy(home, tmp_path):
    copy = Home(tmp_path / "a copy")
    shutil.copytree(home.path, copy.path)
    before = content(home)
    deliver(copy, ())
    study = Study(copy.study("digits"))
    assert publish.add_files(study, page(copy, "of the copy")) == ""
    record = study.records()[0]
    assert publish.mark_champion(study, record, acted.shipped(0)) == ""
    assert content(home) == before
    assert (explanation(copy), explanation(home)) == ("of the copy", "of the first home")


def test_a_moved_home_has_all_that_it_had(home, tmp_path):
    moved = Home(tmp_path / "moved")
    home.path.rename(moved.path)
    settle(moved)
    assert explanation(moved) == "of the first home"
    study = Study(moved.study("digits"))
    assert publish.mark_champion(study, study.records()[1], acted.shipped(1)) == ""
    run, client = SearchRun.of(study), connect(moved.mlflow_uri)
    note = client.get_run(run.run_id).data.tags["mlflow.note.content"]
    before = mlflow.get_tracking_uri()
    for told in (note, client.get_registered_model("digits").description):
        uri, model = re.findall(
            r"`mlflow\.(?:set_tracking_uri|onnx\.load_model)\(\"(.*?)\"\)`", told
        )
        mlflow.set_tracking_uri(uri)
        assert mlflow.onnx.load_model(model).graph.node
    assert mlflow.onnx.load_model("models:/digits@champion").graph.node
    mlflow.set_tracking_uri(before)
    assert not home.path.exists()


def test_a_search_stays_where_it_was_delivered_when_its_home_stays(home):
    run = SearchRun.of(Study(home.study("digits")))
    assert run.uri == home.mlflow_uri
    assert explanation(home) == "of the first home"


def test_a_search_of_another_database_stays_there(home, tmp_path):
    study = Study(home.study("digits"))
    other = SearchRun(f"sqlite:///{tmp_path}/mlflow.db", "1", "5" * 32)
    other.write(study)
    assert SearchRun.of(study) == other


def test_a_home_seen_by_another_name_is_left_as_it_is(home, tmp_path):
    (tmp_path / "link").symlink_to(home.path)
    before = content(home)
    settle(Home(tmp_path / "link"))
    assert content(home) == before


def test_all_places_are_in_the_columns_that_are_put_right(delivered):
    with contextlib.closing(sqlite3.connect(delivered.mlflow_database)) as opened:
        found = set()
        for (table,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            rows = opened.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in rows.description]
            found |= {(table, n) for row in rows for n, v in zip(names, row) if places(v)}
    assert found == {(table, n) for table, names in mlflow_patches.ADDRESSES.items() for n in names}


def places(value):
    return isinstance(value, str) and re.match("(file:)?/", value)
