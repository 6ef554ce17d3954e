"""What a search's page in MLflow says in words, and how the table of its trials looks."""

from __future__ import annotations

import json

from automl.pareto import DIRECTIONS
from automl.study.study import Study
from automl.tracking.aliases import aliases, in_words

REPORT = "report.html"
"""The artifact of the search's run that shows all of it."""
EXPORTS = {"smallest": "--best size_bytes", "fastest": "--best latency_ms", "knee": "--knee"}
MODE = "workflowType=machine_learning"
"""Else a fresh browser shows runs as evaluations of language models."""
SHARED_VIEW = "mlflow.sharedViewState."


def path(experiment: str, run_id: str) -> str:
    """Where the report is, below a server's `/#/`."""
    return f"experiments/{experiment}/runs/{run_id}/artifacts/{REPORT}?{MODE}"


def trials_path(experiment: str, run_id: str) -> str:
    """Where the table of trials is, as `trials_view` has it."""
    return f"experiments/{experiment}/runs?{MODE}&viewStateShareKey={_view(run_id)}"


def note(study: Study) -> str:
    """What was found and how to take it, as markdown."""
    summary, named = study.summary(), aliases(study)
    counts = ", ".join(f"{count} {status}" for status, count in summary.trials.items() if count)
    place = study.attribute("mlflow")
    report = f"[{REPORT}](#/{path(place['experiment_id'], place['run_id'])})"
    lines = [f"{counts or 'no'} trials; {len(summary.front)} models on the front: {report}", ""]
    for alias, record in named.items():
        options = EXPORTS.get(alias, f"--trial {record.trial_id}")
        lines += [
            f"- **{alias}**: trial {record.trial_id}, {in_words(record)}; "
            f"to take it: `automl export {study.name} {options} --out out`"
        ]
    if named:
        lines += ["", f'From Python: `mlflow.onnx.load_model("models:/{study.name}@knee")`.']
    return "\n".join(lines)


def trials_view(study: Study, run_id: str, now: int) -> tuple[str, str]:
    """The experiment's tag that keeps how the table of a search's trials is shown.

    This is how MLflow's UI keeps views that its users share (3.17): the trials alone, the best
    in the first objective first, their status and figures as columns.
    """
    objectives = study.settings.objectives
    metrics = dict.fromkeys([*objectives, "size_bytes", "latency_ms", "seconds"])
    state = {
        "searchFilter": f"tags.mlflow.parentRunId = '{run_id}'",
        "orderByKey": f"metrics.`{objectives[0]}`",
        "orderByAsc": DIRECTIONS[objectives[0]] == "min",
        "selectedColumns": [
            *(f"tags.`automl.{name}`" for name in ("status", "pareto")),
            *(f"metrics.`{name}`" for name in metrics),
        ],
    }
    name = f"trials of {study.name}"
    view = {"name": name, "createdAt": now, "updatedAt": now, "state": json.dumps(state)}
    return f"{SHARED_VIEW}{_view(run_id)}", json.dumps(view)


def _view(run_id: str) -> str:
    return f"automl-{run_id[:12]}"
