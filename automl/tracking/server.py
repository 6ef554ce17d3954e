"""The MLflow server: reached, addressed, and served on this machine only."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from automl.errors import UserError
from automl.home import Home
from automl.study.study import Study
from automl.tracking import views
from automl.tracking.mlflow_client import (
    SearchRun,
    connect,
    first_line,
    is_missing,
    settle,
    without_password,
)
from automl.tracking.mlflow_patches import MODE

HOST, PORT = "127.0.0.1", 5000
LOGIN = re.compile("://[^/]*@")


def check_uri(uri: str) -> None:
    """Raise UserError when a tracking server or database does not answer, or does not let this user
    in, or the URI cannot be one."""
    place = f"--tracking-uri {without_password(uri, uri)}"
    if not uri.startswith(("http://", "https://", "sqlite://", "postgresql", "mysql")):
        raise UserError(
            f"{place} is neither an http(s) address nor a database URI such as sqlite:///mlflow.db"
        )
    if uri.startswith("sqlite:///") and not Path(uri[len("sqlite:///") :]).parent.is_dir():
        raise UserError(f"{place}: its folder does not exist; make it first")
    if is_missing(uri):
        return
    try:
        connect(uri).search_experiments(max_results=1)
    except Exception as error:
        # Anything: what answers at an address may be no MLflow server.
        raise UserError(_why_not(error, uri, place)) from None


def _why_not(error: Exception, uri: str, place: str) -> str:
    """The sentence on a tracking server or database that cannot be used."""
    if getattr(error, "error_code", "") == "UNAUTHENTICATED":
        return (
            f"the MLflow server at {place} does not let this user in; set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD as its keeper gave them"
        )
    first: BaseException = error
    while deeper := first.__cause__ or first.__context__:
        first = deeper
    if first is error or not uri.startswith("http"):
        return f"{place} cannot be used: {first_line(first, uri)}"
    return (
        f"no MLflow server answers at {place} ({first_line(first, uri)}); start one with "
        "`mlflow server`, or leave --tracking-uri out to use the home's own database"
    )


def absolute(uri: str) -> str:
    """A tracking URI that means the same wherever the search is opened."""
    prefix = "sqlite:///"
    path = uri.removeprefix(prefix)
    is_file = path not in (uri, "", ":memory:")
    return f"{prefix}{Path(path).absolute()}" if is_file else uri


def address(uri: str, run: SearchRun | None) -> str:
    """The address of a search's report for a browser, in the mode that shows runs as trainings.

    A server of the run's own goes before `uri`; without a run it is the list of experiments.
    """
    if run is None:
        return f"{uri.rstrip('/')}/#/experiments?{MODE}"
    return _base(uri, run) + views.report_path(run)


def trials_address(uri: str, run: SearchRun) -> str:
    """The address of the table of a search's trials, best first."""
    return _base(uri, run) + views.trials_path(run)


def database(home: Home, run: SearchRun | None) -> str:
    """The database that `automl ui` serves to show a search: its own where its run is in one."""
    return home.mlflow_uri if run is None or run.uri.startswith("http") else run.uri


def where_to_look(study: Study) -> str:
    """A search's page: on its own server, else once `automl ui` serves its database."""
    run = SearchRun.of(study)
    page = address(f"http://{HOST}:{PORT}", run)
    if run is not None and run.uri.startswith("http"):
        return page
    return f"automl ui {study.name}, then {page}"


def _base(uri: str, run: SearchRun) -> str:
    """The start of a page's address; of one with a login the browser asks for that."""
    server = LOGIN.sub("://", run.uri) if run.uri.startswith("http") else uri
    return server.rstrip("/") + "/#/"


def check_port(port: int) -> None:
    """Raise UserError when something else listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(
                f"port {port} cannot be used ({error.strerror}); choose another with --port"
            ) from None


def serve(home: Home, uri: str, port: int) -> int:
    """Serve a database, the home's own or another, until the server ends; returns its exit code.

    Raises UserError when the database is not there.
    """
    home.mlflow_artifacts.mkdir(parents=True, exist_ok=True)
    if uri == home.mlflow_uri:
        settle(home)
    elif is_missing(uri):
        raise UserError(
            f"{uri}, to which the search reports, is not there; put it back, or deliver the search "
            "elsewhere with `automl sync NAME --tracking-uri URI`"
        )
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--default-artifact-root", home.mlflow_artifacts.as_uri()),
        *("--host", HOST, "--port", str(port), "--workers", "1"),
    ]
    environment = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # Not among the arguments, which all users see: it may hold a password.
        "MLFLOW_BACKEND_STORE_URI": uri,
    }
    with subprocess.Popen(command, env=environment, stdout=sys.stderr) as server:
        signal.signal(signal.SIGTERM, lambda number, frame: server.terminate())
        try:
            return server.wait()
        except KeyboardInterrupt:
            server.terminate()
            return 0
