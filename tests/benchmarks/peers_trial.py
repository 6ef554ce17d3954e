"""A trial as the peers of `peers.py` run it: our own, in an empty store that goes with it."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl import user_code
from automl.measure.latency import Reference, Timing, timed
from automl.measure.measurement import Timer
from automl.recipe import Report
from automl.space import space_file
from automl.space.sampling import replay, sample
from automl.space.space import Space, TrialConfig
from automl.store import Store
from automl.trial.result import TrialResult, failed
from automl.trial.trial import run
from automl.trial.trial_options import TrialOptions


@dataclass(frozen=True)
class Setting:
    """What every trial of a cell gets, all of it plain.

    `folder` holds the data, `scratch` is the cell's own, with the file `reference.onnx` in it;
    `worst` is what a trial tells its tuner when it was rejected or failed.
    """

    space: str
    seed: int
    folder: str
    cache: str
    scratch: str
    reference_latency_ms: float
    worst: dict[str, float]
    epochs: int

    def load(self) -> Space:
        text = Path(self.space).read_text()
        return space_file.load(text, {"seed": str(self.seed)}, self.space, self.folder)

    def config(self, params: dict[str, Any]) -> TrialConfig:
        return sample(self.load(), replay(params))

    def reference(self) -> Reference:
        file = Path(self.scratch, "reference.onnx").read_bytes()
        return Reference(file, self.reference_latency_ms)

    def timed(self, file: bytes, row: NDArray[np.generic]) -> Timing:
        return timed(file, row, self.reference())


def run_alone(
    setting: Setting, params: dict[str, Any], time_file: Timer
) -> Generator[Report, None, TrialResult]:
    """Run a trial that shares nothing with others; its start and its end are logged."""
    started = time.time()
    log(setting, {"event": "started", "time": started})
    config, code = setting.config(params), user_code.fingerprint(Path(setting.space).read_text())
    with tempfile.TemporaryDirectory(dir=setting.scratch) as folder:
        try:
            options = TrialOptions(code)
            result = yield from run(config, Store(folder), time_file, Path(setting.cache), options)
        except Exception as error:
            result = failed(error)
    ended = time.time()
    figures = result.measurement.figures if result.measurement else {}
    log(
        setting,
        {
            "event": "ended",
            "time": ended,
            "trial_seconds": ended - started,
            "status": result.status,
            "reason": result.reason,
            "figures": {name: figures[name] for name in setting.worst} if figures else {},
        },
    )
    return result


def told(setting: Setting, result: TrialResult) -> dict[str, float]:
    """The objectives that a tuner is told at the end of a trial."""
    if result.measurement is None:
        return setting.worst
    return {name: result.measurement.figures[name] for name in setting.worst}


def log(setting: Setting, line: dict[str, Any]) -> None:
    """One write for a line: several processes log into the file."""
    with (Path(setting.scratch) / "log.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
