"""Files put on a search's run in MLflow when the search is long over."""

from __future__ import annotations

from pathlib import Path

from automl.study.study import Study
from automl.tracking.client import connect


def put(study: Study, folder: Path) -> str:
    """Put a folder's files on a search's run; returns a sentence when that cannot be, or ""."""
    place = study.attribute("mlflow", {})
    names = ", ".join(sorted(path.name for path in folder.iterdir()))
    if not place:
        return f"{study.name} has no run in MLflow to put {names} on"
    client = connect(place["uri"])
    from mlflow.exceptions import MlflowException

    try:
        client.log_artifacts(place["run_id"], str(folder))
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0]
        return f"{names} is not on the search's page in MLflow ({reason})"
    return ""
