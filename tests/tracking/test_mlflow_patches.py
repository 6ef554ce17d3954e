"""Each interface of MLflow that is not public is still what it was; an upgrade may end one."""

import time
from pathlib import Path

import mlflow
import pytest
from sqlalchemy.exc import OperationalError

from automl.tracking import mlflow_patches as patches
from automl.tracking.mlflow_client import connect


@pytest.fixture(scope="module")
def scripts():
    """The scripts of MLflow's UI."""
    folder = Path(mlflow.__file__).parent / "server" / "js" / "build" / "static" / "js"
    return "\n".join(file.read_text() for file in folder.glob("*.js"))


@pytest.mark.parametrize(
    "word",
    [
        *(patches.SHARED_VIEW, patches.VIEW_KEY),
        *("searchFilter", "orderByKey", "orderByAsc", "selectedColumns", "createdAt"),
    ],
)
def test_the_ui_still_reads(word, scripts):
    assert word in scripts


def test_the_ui_still_reads_the_mode_from_an_address(scripts):
    name, value = patches.MODE.split("=")
    assert name in scripts and value in scripts


def test_a_database_is_tried_once(tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(OperationalError):
        connect(f"sqlite:///{tmp_path}").search_experiments()
    assert slept == []
