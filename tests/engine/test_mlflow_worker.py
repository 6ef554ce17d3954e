"""The process that delivers: started by a search, and gone when the search is, however it went."""

import json
import shutil
import subprocess
import sys
import threading

import pytest
from filelock import FileLock

from automl.engine import mlflow_worker
from automl.engine.searches import open_study
from automl.home import Home
from automl.tracking.delivery import LOCK
from automl.tracking.mlflow_client import connect
from automl.tracking.tracker import Process, Tracker

COMMAND = [sys.executable, "-P", "-m", "automl.engine.mlflow_worker"]


@pytest.fixture
def copied(searched, tmp_path):
    """A finished search, MLflow's files left out: (its home, what a process is told)."""
    home = Home(tmp_path / "home")
    shutil.copytree(searched.home.path, home.path, ignore=shutil.ignore_patterns("ml*", "ray"))
    return home, {"home": str(home.path), "search": searched.study.name, "uri": home.mlflow_uri}


def runs(home):
    client = connect(home.mlflow_uri)
    experiment = client.get_experiment_by_name("automl")
    return client.search_runs([experiment.experiment_id])


def test_a_process_delivers_all_and_registers_what_ships(copied):
    home, told = copied
    study = open_study(home, told["search"])
    tracker = Tracker(study, Process(COMMAND, told))
    assert tracker.close("FINISHED", None) == ""
    (parent,) = (run for run in runs(home) if run.data.tags["automl.kind"] == "search")
    assert parent.info.status == "FINISHED"
    assert len(runs(home)) == 1 + len(study.records()) + len(study.refits())
    client = connect(home.mlflow_uri)
    assert client.get_registered_model(study.name).aliases["knee"]
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} >= {"report.html"}


def test_a_process_whose_search_is_killed_ends_by_itself(copied):
    home, told = copied
    code = (
        "import sys, json, os; from automl.tracking.journal import Writer;"
        "from automl.tracking.events import Opened;"
        "from automl.tracking.tracker import Process; from pathlib import Path;"
        "Writer(Path(sys.argv[2])).append(Opened(1));"
        f"Process({COMMAND}, json.loads(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", code, json.dumps(told), str(home.study(told["search"]))]
    # Its standard error, which it shares, ends with the last of the two.
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=240)
    assert ended.returncode == -9 and "Traceback" not in ended.stderr
    (parent,) = runs(home)
    assert parent.info.status == "RUNNING", "what there was is delivered"


def test_what_goes_wrong_is_one_sentence_for_who_searches(copied):
    home, told = copied
    study = open_study(home, told["search"])
    away = {**told, "uri": "http://127.0.0.1:1"}
    sentence = Tracker(study, Process(COMMAND, away)).close("FINISHED")
    assert "MLflow has not got everything" in sentence and "refused" in sentence
    sentence = Tracker(study, Process(COMMAND, {**told, "search": "none"})).close("FINISHED")
    assert "the process that delivers ended with 1" in sentence
    waiting = [sys.executable, "-c", "import time; time.sleep(60)"]
    sentence = Tracker(study, Process(waiting, told)).close("FINISHED", 0.1)
    assert "it is slow" in sentence


def test_another_delivery_of_the_study_is_waited_for(copied):
    home, told = copied
    closing = threading.Event()
    closing.set()
    with FileLock(home.study(told["search"]) / LOCK):
        delivery = mlflow_worker.of_study(told)
        thread = threading.Thread(target=delivery.work, args=[closing])
        thread.start()
        thread.join(2)
        assert thread.is_alive() and delivery.runs is None
    thread.join()
