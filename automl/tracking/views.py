"""A search's note in MLflow, the view of its trials there, and the addresses of its pages."""

from __future__ import annotations

from urllib.parse import urlsplit

from automl.study.study import Study
from automl.tracking.aliases import aliases, in_words
from automl.tracking.mlflow_client import SearchRun
from automl.tracking.mlflow_patches import SharedView, artifact_path, view_path

REPORT = "report.html"
"""The artifact of the search's run that shows all of it."""
REGISTERED_MODEL = "registered_model"
"""The attribute of a study that names its registered model, once there is one."""
UNREGISTERED = "unregistered"
"""The attribute of a study that tells why its server has none of its registered models."""
EXPORTS = {"smallest": "--best size_bytes", "fastest": "--best latency_ms", "knee": "--knee"}


def report_path(run: SearchRun) -> str:
    """The address of the report, below a server's `/#/`."""
    return artifact_path(run.experiment_id, run.run_id, REPORT)


def trials_path(run: SearchRun) -> str:
    """The address of the table of trials, as `trials_view` has it."""
    return view_path(run.experiment_id, _view_key(run.run_id))


def note(study: Study, run: SearchRun) -> str:
    """The findings of a search and the commands that take its models, as markdown."""
    summary, named = study.summary(), aliases(study)
    counts = ", ".join(f"{count} {status}" for status, count in summary.trials.items() if count)
    report = f"[{REPORT}](#/{report_path(run)})"
    lines = [f"{counts or 'no'} trials; {len(summary.front)} models on the front: {report}", ""]
    for alias, record in named.items():
        options = EXPORTS.get(alias, f"--trial {record.trial_id}")
        lines += [
            f"- **{alias}**: trial {record.trial_id}, {in_words(record)}; "
            f"to take it: `automl export {study.name} {options} --out out`"
        ]
    if why := study.attribute(UNREGISTERED):
        lines += ["", f"No model is registered: {why}."]
    elif model := study.attribute(REGISTERED_MODEL):
        lines += ["", f"From Python: {loading(run.uri, model)}."]
    return "\n".join(lines)


def loading(uri: str, model: str) -> str:
    """Tell how Python loads a registered model of a tracking server or database; an address that
    may hold a password is not told."""
    load, parts = f'`mlflow.onnx.load_model("models:/{model}@knee")`', urlsplit(uri)
    if parts.scheme in ("http", "https", "sqlite") and "@" not in parts.netloc:
        return f'`mlflow.set_tracking_uri("{uri}")`, then {load}'
    return f"{load}, with the address of this database in `MLFLOW_TRACKING_URI`"


def trials_view(study: Study, run_id: str, now: int) -> tuple[str, str]:
    """The experiment's tag that keeps the table of a search's trials: the trials alone, the best
    in the first objective first, with their status and figures as columns."""
    objectives = study.settings.objectives
    metrics = dict.fromkeys([*objectives, "size_bytes", "latency_ms", "seconds"])
    view = SharedView(
        name=f"trials of {study.name}",
        filter=f"tags.mlflow.parentRunId = '{run_id}'",
        order_by=f"metrics.`{objectives[0]}`",
        is_ascending=study.settings.directions[objectives[0]] == "min",
        columns=[
            *(f"tags.`automl.{name}`" for name in ("status", "pareto")),
            *(f"metrics.`{name}`" for name in metrics),
        ],
    )
    return view.tag(_view_key(run_id), now)


def _view_key(run_id: str) -> str:
    return f"automl-{run_id[:12]}"
