"""The MLflow client, set so that nobody waits long for an absent server, and a search's run."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from automl.study.study import Study

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

EXPERIMENT = "automl"
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


@dataclass(frozen=True)
class SearchRun:
    """The run of a search: on which server, and in which experiment."""

    uri: str
    experiment_id: str
    run_id: str

    @classmethod
    def of(cls, study: Study) -> Self | None:
        """The run that a search was last delivered to; None when it has none yet."""
        known = study.attribute("mlflow")
        return None if known is None else cls(**known)

    def write(self, study: Study) -> None:
        if SearchRun.of(study) != self:
            study.set_attribute("mlflow", asdict(self))


def connect(uri: str) -> MlflowClient:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow.MlflowClient(uri)


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
