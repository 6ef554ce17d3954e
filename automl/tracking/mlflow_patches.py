"""Interfaces of MLflow that are not public, each with its reason; all were seen in MLflow 3.17.

A test of each, in `tests/tracking/test_mlflow_patches.py`, fails by name when an upgrade ends it.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

MODE = "workflowType=machine_learning"
"""A part of the UI's addresses: else a fresh browser shows runs as evaluations of language models.
Waits for a server option or an experiment's tag that sets the mode."""
SHARED_VIEW = "mlflow.sharedViewState."
"""The start of the tags in which the UI keeps views of an experiment that its users share."""
VIEW_KEY = "viewStateShareKey"
"""A part of the UI's addresses that names such a view. Both wait for a client's method that makes
a view."""
ADDRESSES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
"""The columns of MLflow's database that say where files lie, by table. Waits for a command that
moves the artifacts of an experiment."""
TEXTS = {"registered_models": "description", "tags": "value"}
"""The columns of texts that may tell the address of the database itself, by table."""


@dataclass(frozen=True)
class SharedView:
    """A table of runs as it is to be shown: filtered, sorted, with these columns.

    `order_by` and `columns` are in the UI's words: metrics.`accuracy`, tags.`automl.status`.
    """

    name: str
    filter: str
    order_by: str
    is_ascending: bool
    columns: Sequence[str]

    def tag(self, key: str, now: int) -> tuple[str, str]:
        """The experiment's tag that keeps the view, made at `now`, in milliseconds since 1970."""
        state = {
            "searchFilter": self.filter,
            "orderByKey": self.order_by,
            "orderByAsc": self.is_ascending,
            "selectedColumns": list(self.columns),
        }
        view = {"name": self.name, "createdAt": now, "updatedAt": now, "state": json.dumps(state)}
        return SHARED_VIEW + key, json.dumps(view)


def artifact_path(experiment: str, run_id: str, artifact: str) -> str:
    """The address of a run's artifact in the UI, below a server's `/#/`."""
    return f"experiments/{experiment}/runs/{run_id}/artifacts/{artifact}?{MODE}"


def view_path(experiment: str, key: str) -> str:
    """The address of a shared view of an experiment's runs, below a server's `/#/`."""
    return f"experiments/{experiment}/runs?{MODE}&{VIEW_KEY}={key}"


def readdress(database: Path, experiment: str, folder: Path) -> None:
    """Have a database that was moved or copied together with a folder of artifacts name that folder
    in place of where it was. One whose experiment keeps its artifacts elsewhere stays as it is.

    Raises sqlite3.OperationalError when the database cannot be written.
    """
    known = "SELECT artifact_location FROM experiments WHERE name = ?"
    old, new = next(iter(_rows(database, known, experiment)), ("",))[0], folder.as_uri()
    before = Path(url2pathname(urlsplit(old).path))
    if old == new or not old.startswith("file:") or before.name != folder.name:
        return
    if before.exists() and folder.exists() and before.samefile(folder):
        return
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as opened, opened:
        for table, columns in ADDRESSES.items():
            for column in columns:
                opened.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
                )
        own = (f"sqlite:///{before.with_name(database.name)}", f"sqlite:///{database}")
        for table, column in TEXTS.items():
            opened.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", own)


def has_run(database: Path, run_id: str) -> bool:
    """Tell whether a database holds a run, whatever address it had when the run was made."""
    return bool(_rows(database, "SELECT 1 FROM runs WHERE run_uuid = ?", run_id))


def forget_places() -> None:
    """Have MLflow ask again where the artifacts of a run are: it remembers that by the run's id
    alone, which is the same in a copied database. Waits for a memory that knows the database."""
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()


def try_databases_once() -> None:
    """Have MLflow try a database once: it tries ten times, in 101 seconds. Waits for a setting of
    the number of tries."""
    from mlflow.store.db import utils

    utils.MAX_RETRY_COUNT = 1


def _rows(database: Path, query: str, value: str) -> list[tuple[str, ...]]:
    """The rows that a query for a value gives; none where a database has no tables yet."""
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as opened:
        tables = opened.execute("SELECT name FROM sqlite_master WHERE name = 'runs'")
        return opened.execute(query, (value,)).fetchall() if tables.fetchone() else []
