"""A search in a process of its own, for tests that end it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from automl.engine.searches import open_study
from automl.home import Home

AUTOML = str(Path(sys.executable).with_name("automl"))


@pytest.fixture
def start(tmp_path):
    """Starts the command as a process with a session of its own; ends what is left of it."""
    started = []

    def start(*arguments, home=tmp_path):
        process = subprocess.Popen(
            [AUTOML, *arguments, "--home", str(home)],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.stderr.close()
        for pid in members(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def members(session):
    """Live processes of a session, without Ray's agents: they notice a minute later."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, sid = stat.read_text().rsplit(")", 1)[1].split()[:4]
            agent = b"Agent" in stat.with_name("cmdline").read_bytes()
            if int(sid) == session and state != "Z" and not agent:
                found.append(int(stat.parent.name))
    return found


def wait_for(condition, seconds=240):
    """Wait until a condition holds; the seconds only end a test that hangs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def finished(tmp_path, name="digits"):
    """The finished trials of the study, by number; none while there is no study."""
    home = Home(tmp_path)
    if name not in home.studies():
        return {}
    records = open_study(home, name).records()
    return {record.id.number: record.result for record in records if record.result is not None}


def runs(tmp_path):
    """(the search's run, its trials' runs) in MLflow."""
    client = mlflow.MlflowClient(Home(tmp_path).mlflow_uri)
    experiment = client.get_experiment_by_name("automl")
    found = client.search_runs([experiment.experiment_id])
    kinds = {"search": [], "trial": []}
    for run in found:
        kinds[run.data.tags["automl.kind"]].append(run)
    (parent,) = kinds["search"]
    return parent, kinds["trial"]
