"""The MLflow server: reached, addressed, and served on this machine only."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from automl.errors import UserError
from automl.home import Home
from automl.study.study import Study
from automl.tracking import views
from automl.tracking.mlflow_client import SearchRun, connect, is_missing, settle
from automl.tracking.mlflow_patches import MODE

HOST, PORT = "127.0.0.1", 5000


def check_uri(uri: str) -> None:
    """Raise UserError when a tracking server does not answer, or the URI cannot be one."""
    if uri.startswith(("http://", "https://")):
        try:
            urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=5).close()
        except (OSError, ValueError) as error:
            raise UserError(
                f"no MLflow server answers at --tracking-uri {uri} "
                f"({getattr(error, 'reason', error)}); start one with `mlflow server`, "
                "or leave --tracking-uri out to use the home's own database"
            ) from None
        _log_in(uri)
    elif uri.startswith("sqlite:///") and not Path(uri[len("sqlite:///") :]).parent.is_dir():
        raise UserError(f"--tracking-uri {uri}: its folder does not exist; make it first")
    elif not uri.startswith(("sqlite://", "postgresql", "mysql")):
        raise UserError(
            f"--tracking-uri {uri} is neither an http(s) address nor a database URI "
            "such as sqlite:///mlflow.db"
        )


def absolute(uri: str) -> str:
    """A tracking URI that means the same wherever the search is opened."""
    prefix = "sqlite:///"
    path = uri.removeprefix(prefix)
    is_file = path not in (uri, "", ":memory:")
    return f"{prefix}{Path(path).absolute()}" if is_file else uri


def _log_in(uri: str) -> None:
    """Raise UserError when a tracking server does not let this user in."""
    client = connect(uri)
    from mlflow.exceptions import MlflowException

    try:
        client.search_experiments(max_results=1)
    except MlflowException as error:
        if error.error_code == "UNAUTHENTICATED":
            raise UserError(
                f"the MLflow server at --tracking-uri {uri} does not let this user in; set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD as its keeper gave them"
            ) from None
        reason = str(error).splitlines()[0]
        raise UserError(f"--tracking-uri {uri} cannot be used: {reason}") from None


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
    return (run.uri if run.uri.startswith("http") else uri).rstrip("/") + "/#/"


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
