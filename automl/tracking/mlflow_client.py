"""The MLflow client, set so that nobody waits long for a server that is away."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

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


def connect(uri: str) -> MlflowClient:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow.MlflowClient(uri)


def children(client: MlflowClient, experiment: str, parent: str, more: str = "") -> Iterator[Run]:
    """The runs of a search's trials, those that meet `more`."""
    token = None
    while True:
        condition = f"tags.mlflow.parentRunId = '{parent}'{more}"
        found = client.search_runs([experiment], condition, max_results=1000, page_token=token)
        yield from found
        token = found.token
        if not token:
            return
