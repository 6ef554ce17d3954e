"""The tracking server of `compose.yaml`, for real: its command and settings, PostgreSQL and S3."""

import base64
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from helpers import acted_search as acted
from helpers import postgresql
from helpers.command import automl, object_of
from helpers.deployed_files import DEPLOY

from automl.errors import UserError
from automl.tracking import server

SECRETS = {"MLFLOW_ADMIN_PASSWORD": "an-admin-of-tests", "MLFLOW_SECRET_KEY": "k" * 32}
SEARCHES, TRIALS = 8, 20
"""Searches that write at once, and trials of each: 100 epochs, one in a second."""
SEARCH = "/api/2.0/mlflow/experiments/search"


def as_composed(bucket, port):
    """The command and environment of the service, with this machine's addresses."""
    service = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"][
        "mlflow"
    ]
    environment = {
        name: re.sub(r"\$\{(\w+):\?.*\}", lambda found: SECRETS.get(found[1], ""), str(value))
        for name, value in service["environment"].items()
        if not name.startswith(("AWS_", "PG"))
    }
    environment["MLFLOW_AUTH_CONFIG_PATH"] = str(DEPLOY / "mlflow" / "basic_auth.ini")
    (program, *words) = service["command"]
    words = [word.replace("0.0.0.0", "127.0.0.1").replace("5000", str(port)) for word in words]
    words = [word.replace("s3://automl", bucket) for word in words]
    return [sys.executable, "-m", program, *words], {**os.environ, **environment}


@contextlib.contextmanager
def database(monkeypatch):
    """PostgreSQL with the two databases, named by the variables that the service has."""
    psycopg = pytest.importorskip("psycopg", reason="the driver psycopg is not installed")
    with postgresql.running() as running:
        place = {"PGHOST": "127.0.0.1", "PGPORT": str(running.port), "PGUSER": "postgres"}
        for name, value in place.items():
            monkeypatch.setenv(name, value)
        with psycopg.connect("dbname=postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE mlflow")
            connection.execute((DEPLOY / "compose" / "accounts.sql").read_text())
        yield running


@pytest.fixture
def postgres(monkeypatch):
    with database(monkeypatch) as running:
        yield running


@pytest.fixture
def uri(bucket, postgres, tmp_path):
    pytest.importorskip("flask_wtf", reason="MLflow's accounts are not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, environment = as_composed(bucket, port)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}", tmp_path / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(uri, log):
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{uri}/health", timeout=1).close()
            return
        time.sleep(0.3)
    raise AssertionError(log.read_text())


def status(uri, password=None, **headers):
    """The status of a request, by the administrator where a password is given."""
    if password is not None:
        told = base64.b64encode(f"admin:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {told}"
    asked = urllib.request.Request(
        uri + SEARCH, data=b'{"max_results": 1}', headers={"Content-Type": "application/json"}
    )
    for name, value in headers.items():
        asked.add_header(name, value)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_only_who_has_an_account_gets_in_and_artifacts_go_to_the_bucket(uri, bucket, monkeypatch):
    password = SECRETS["MLFLOW_ADMIN_PASSWORD"]
    assert status(uri) == 401
    assert status(uri, "wrong") == 401
    assert status(uri, password, Host="evil.example") == 403
    assert status(uri, password, Origin="http://evil.example") == 403
    assert status(uri, password) == 200
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    with pytest.raises(UserError, match="does not let this user in"):
        server.check_uri(uri)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    server.check_uri(uri)
    stored(uri, bucket)


def stored(uri, bucket):
    """Log a run and read it back; its artifact lies in the bucket."""
    import fsspec
    import mlflow

    client = mlflow.MlflowClient(uri)
    run = client.create_run(client.create_experiment("automl")).info
    client.log_metric(run.run_id, "accuracy", 0.5)
    client.log_text(run.run_id, "seen", "note.txt")
    assert client.get_run(run.run_id).data.metrics == {"accuracy": 0.5}
    files = fsspec.filesystem("s3", skip_instance_cache=True).find(f"{bucket}/mlflow")
    assert [name for name in files if name.endswith("note.txt")]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_whole_search_reaches_the_server_and_the_bucket(uri, bucket, tmp_path, monkeypatch):
    import fsspec
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRETS["MLFLOW_ADMIN_PASSWORD"])
    short = ("--set", "recipe.train.epochs=2", "--set", "recipe.fine_tune.epochs=1")
    at = ("--tracking-uri", uri, "--home", tmp_path / "home")
    found = object_of(
        automl("search", "digits", "--trials", 3, *short, *at, "--json", cwd=tmp_path)
    )
    client = mlflow.MlflowClient(uri)
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    (parent,) = [run for run in runs if run.data.tags.get("automl.kind") == "search"]
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["hypervolume"] == found["hypervolume"]
    files = fsspec.filesystem("s3", skip_instance_cache=True).find(f"{bucket}/mlflow")
    named = {name.rpartition("/")[2] for name in files}
    assert {"report.html", "front.html", "model.onnx"} <= named


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_eight_searches_lose_nothing_while_the_database_starts_anew(
    uri, postgres, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRETS["MLFLOW_ADMIN_PASSWORD"])
    studies = [acted.study(tmp_path / f"search{number}") for number in range(SEARCHES)]
    trackers = [acted.tracker(study, uri) for study in studies]
    for tracker in trackers:
        tracker.opened()
    with ThreadPoolExecutor(SEARCHES) as pool:
        acting = [pool.submit(acted.act, tracker, range(TRIALS), 1.0) for tracker in trackers]
        time.sleep(30)
        postgres.stop()
        time.sleep(5)
        postgres.start()
        for one in acting:
            one.result()
    for tracker in trackers:
        assert tracker.close("FINISHED", seconds=300) == ""
    for study in studies:
        acted.check_nothing_is_lost(study, uri, TRIALS)
