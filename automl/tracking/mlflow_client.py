"""The MLflow client, set so that nobody waits long for an absent server, and a search's run."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from automl.errors import UserError
from automl.home import Home
from automl.study.study import Study
from automl.tracking import mlflow_patches

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

EXPERIMENT = "automl"
OWN = "home"
"""What a study keeps in place of the address of its home's own database, which moves with it."""
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PGCONNECT_TIMEOUT": "10",
}
PASSWORD = re.compile(r"://[^/:@]*(:.+@)|[?&](password=[^&]+)")


@dataclass(frozen=True)
class SearchRun:
    """The run of a search: on which server, and in which experiment."""

    uri: str
    experiment_id: str
    run_id: str

    @classmethod
    def of(cls, study: Study) -> Self | None:
        """The run that a search was last delivered to; None when it has none yet."""
        if (known := study.attribute("mlflow")) is None:
            return None
        run, home = cls(**known), Home.of(study.folder)
        # Earlier versions kept the address of the home's database, as it was then.
        is_moved = run.uri.startswith("sqlite:") and mlflow_patches.has_run(
            home.mlflow_database, run.run_id
        )
        return replace(run, uri=home.mlflow_uri) if run.uri == OWN or is_moved else run

    def write(self, study: Study) -> None:
        is_own = self.uri == Home.of(study.folder).mlflow_uri
        kept = asdict(replace(self, uri=OWN) if is_own else self)
        if study.attribute("mlflow") != kept:
            study.set_attribute("mlflow", kept)


def connect(uri: str) -> MlflowClient:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    mlflow_patches.forget_places()
    if not uri.startswith("http"):
        mlflow_patches.try_databases_once()
    return mlflow.MlflowClient(uri)


def connect_for(study: Study, uri: str) -> MlflowClient:
    """A client that writes what belongs to a search, to its home's own database or elsewhere."""
    home = Home.of(study.folder)
    if uri == home.mlflow_uri:
        settle(home)
    return connect(uri)


def first_line(error: BaseException, uri: str) -> str:
    """The first line of what an error says of a tracking server, without a password."""
    return without_password((str(error) or type(error).__name__).splitlines()[0], uri)


def without_password(text: str, uri: str) -> str:
    """A text that may hold the address of a tracking server, without the address's password."""
    for login, named in PASSWORD.findall(uri):
        text = text.replace(login or named, ":***@" if login else "password=***")
    return text


def is_missing(uri: str) -> bool:
    """True of a database in a file that is not there: MLflow would make another."""
    file = uri.removeprefix("sqlite:///")
    return file != uri and not Path(file).exists()


def settle(home: Home) -> None:
    """Have the own database of a home that was moved or copied name the artifacts in this home."""
    try:
        mlflow_patches.readdress(home.mlflow_database, EXPERIMENT, home.mlflow_artifacts)
    except sqlite3.OperationalError as error:
        raise UserError(
            f"{home.mlflow_database} names the files of another home and cannot be written "
            f"({error}); let this user write to the home {home.path}"
        ) from None


def children(client: MlflowClient, experiment: str, parent: str, more: str = "") -> Iterator[Run]:
    """The runs of a search's trials, those that meet the condition `more`."""
    token = None
    while True:
        condition = f"tags.mlflow.parentRunId = '{parent}'{more}"
        found = client.search_runs([experiment], condition, max_results=1000, page_token=token)
        yield from found
        token = found.token
        if not token:
            return
