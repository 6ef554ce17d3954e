"""The values that MLflow takes of a search and of its trials, and those that are yet to be sent."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from automl.study.study import Study
from automl.trial import layer_outcomes
from automl.trial.result import TrialResult

MAX_NAME, MAX_TEXT = 250, 5000


class Value(NamedTuple):
    """A value of a metric, at a `time` in milliseconds since 1970."""

    name: str
    value: float
    time: int
    step: int


@dataclass
class Pending:
    """The next writes to one run; `status` comes with its time."""

    params: dict[str, str] = field(default_factory=dict)
    metrics: list[Value] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    status: tuple[str, int] | None = None


def settings(study: Study) -> dict[str, str]:
    """The settings of a search, as the parameters of its run."""
    own = study.settings
    known = {"space": own.space_name, "sampler": own.sampler, "seed": str(own.seed)}
    known["objectives"] = " ".join(own.objectives)
    return known | {legal(f"set.{path}"): value for path, value in own.fixed.items()}


def figures(result: TrialResult) -> list[tuple[str, float]]:
    """All numbers of a trial's result."""
    found = {"seconds": result.seconds, "reused_steps": result.reused_steps}
    found |= {legal(f"stage_seconds/{name}"): s for name, s in result.stages.items()}
    # MLflow's UI has a tab of its own for these.
    found |= {f"system/{name}": value for name, value in result.system.items()}
    if result.teacher_seconds:
        found["teacher_seconds"] = result.teacher_seconds
    if result.outcomes:
        found["untouched_share"] = layer_outcomes.untouched_share(result.outcomes)
    if result.measurement is not None:
        found |= result.measurement.figures
    return [(name, float(value)) for name, value in found.items()]


def tags(result: TrialResult) -> dict[str, str]:
    """The tags that tell how a trial ended, but for those that would be empty."""
    told = {
        "automl.reason": result.reason,
        "automl.shortened": result.shortened,
        "automl.notes": "; ".join(result.notes),
    }
    said = {name: text[:MAX_TEXT] for name, text in told.items() if text}
    return {"automl.status": str(result.status), "automl.key": result.key, **said}


def artifacts(result: TrialResult) -> dict[str, str]:
    """The texts of a trial that are kept as files of its run, by the names of these."""
    found = dict[str, str]()
    if result.sensitivity:
        found["sensitivity.json"] = json.dumps(result.sensitivity, indent=2)
    if result.outcomes:
        layers = layer_outcomes.as_json(result.outcomes)
        found["layers.json"] = json.dumps(layers, indent=2)
    if result.traceback:
        found["traceback.txt"] = result.traceback
    return found


def legal(name: str) -> str:
    """A path of a space in the letters that MLflow allows."""
    return re.sub(r"[^\w\-. /:]", "_", name)[:MAX_NAME]
