"""`automl ui` of a home where a search reports to another database."""

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from helpers import known_search as known

from automl.errors import UserError
from automl.home import Home
from automl.tracking import server
from automl.tracking.mlflow_client import SearchRun, connect

AUTOML = str(Path(sys.executable).with_name("automl"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a search that reports to a database of a team."""
    home = Home(tmp_path_factory.mktemp("home"))
    uri = f"sqlite:///{home.path / 'team.db'}"
    experiment = connect(uri).create_experiment("of the team")
    SearchRun(uri, experiment, "5" * 32).write(known.make(home.path / "studies"))
    return home


@contextlib.contextmanager
def ui(home, *name):
    """What `automl ui` prints, and a function that asks the server for its experiments."""
    with socket.socket() as free:
        free.bind((server.HOST, 0))
        address = f"http://{server.HOST}:{free.getsockname()[1]}"
    command = [AUTOML, "ui", *name, "--port", address[-5:].strip(":"), "--home", home.path]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "--json"], **pipes) as process:
        try:
            yield json.loads(process.stdout.readline()), lambda: experiments(address)
        finally:
            process.terminate()


def experiments(address):
    url = f"{address}/api/2.0/mlflow/experiments/search?max_results=100"
    for _ in range(400):
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return {own["name"] for own in json.load(answer)["experiments"]}
        time.sleep(0.3)
    raise AssertionError("the server does not answer")


def test_its_name_serves_the_database_of_a_search(home):
    with ui(home, "known") as (printed, experiments):
        assert printed["searches"]["known"].endswith(
            f"{'5' * 32}/artifacts/report.html?{server.MODE}"
        )
        assert list(printed["trials"]) == ["known"]
        assert experiments() == {"Default", "of the team"}
    assert not home.mlflow_database.exists()


def test_without_a_name_the_command_stands_in_place_of_an_address(home):
    with ui(home) as (printed, _):
        assert printed["searches"] == {"known": "automl ui known"}
        assert printed["trials"] == {}


def test_a_database_that_is_gone_is_told_and_not_made(home, tmp_path):
    uri = f"sqlite:///{tmp_path}/gone/team.db"
    with pytest.raises(UserError, match=r"gone/team\.db, to which the search reports, is not ther"):
        server.serve(home, uri, server.PORT)
    assert not (tmp_path / "gone").exists()
