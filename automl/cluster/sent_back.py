"""Reports and results as a trial sends them back: plain values, on which no search stumbles."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from automl.config import decode, encode
from automl.recipe import Report
from automl.trial.result import Status, TrialResult, failed


def report(said: object) -> Report:
    """A report in plain numbers. Raises what a step's own report of something else raises."""
    if not isinstance(said, Report):
        raise TypeError(f"a step gave {type(said).__name__} where a Report is due")
    metrics = {str(name): float(value) for name, value in said.metrics.items()}
    epochs = int(said.epoch), int(said.epochs)
    return Report(str(said.step), *epochs, metrics, str(said.note), int(said.batches))


def result(ended: TrialResult) -> TrialResult:
    """A result that can be written and ranked: of JSON values, and figures that are finite.

    Else the trial is failed, or rejected, with the reason. What its training had reached is left
    out where that is not finite.
    """
    try:
        ended = replace(ended, notes=tuple(map(str, ended.notes)))
        plain: TrialResult = decode(json.loads(json.dumps(encode(ended))))
    except Exception as error:
        return failed(error)
    reached = {n: value for n, value in plain.parent_quality.items() if math.isfinite(value)}
    plain = replace(plain, parent_quality=reached)
    figures = plain.measurement.figures if plain.measurement else {}
    for name, value in figures.items():
        if not math.isfinite(value):
            reason = f"its {name} is {value}, no finite number"
            return replace(plain, status=Status.REJECTED, reason=reason, measurement=None)
    return plain
