"""Interfaces of MLflow that are not public, each with its reason; all were seen in MLflow 3.17.

A test of each, in `tests/tracking/test_mlflow_patches.py`, fails by name when an upgrade ends it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

MODE = "workflowType=machine_learning"
"""A part of the UI's addresses: else a fresh browser shows runs as evaluations of language models.
Waits for a server option or an experiment's tag that sets the mode."""
SHARED_VIEW = "mlflow.sharedViewState."
"""The start of the tags in which the UI keeps views of an experiment that its users share."""
VIEW_KEY = "viewStateShareKey"
"""A part of the UI's addresses that names such a view. Both wait for a client's method that makes
a view."""


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
