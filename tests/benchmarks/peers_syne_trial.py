"""One trial of Syne Tune's: the script that its LocalBackend starts.

Each epoch reports the objectives as they are known then: the validation error, the bytes of the
model's parameters at the trial's bits and cut, and the time of one answer of that untrained model.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from peers_trial import Setting, run_alone
from syne_tune import Reporter
from syne_tune.utils.config_as_json import add_config_json_to_argparse, load_config_json

from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.data import dataset
from automl.data.dataset import DatasetInfo
from automl.measure.latency import Timing
from automl.models.deployed import Deployed
from automl.models.family import count_parameters, untrained
from automl.space.space import TrialConfig

ANSWERS = 20


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    add_config_json_to_argparse(parser)
    params = load_config_json(vars(parser.parse_known_args()[0]))
    setting = Setting(**json.loads(params["setting"]))
    config = setting.config(params)
    info = dataset.load(config.dataset, config.seed, Path(setting.cache)).info
    size, latency = estimate(config, info)
    tell = Reporter()
    reports = run_alone(
        setting, params, lambda file, row, make: partial(timed_in_turn, setting, file, row)
    )
    for number, report in enumerate(reports, 1):
        error = 1 - report.metrics["accuracy"]
        tell(epoch=number, error=error, bytes=size, latency_ms=latency)


def estimate(config: TrialConfig, info: DatasetInfo) -> tuple[float, float]:
    """Bytes, and milliseconds per row, of the trial's model at its bits and cut, untrained."""
    kept, bits = 1.0, 32
    for step in config.recipe:
        if isinstance(step, Prune):
            kept *= 1 - step.fraction
        if isinstance(step, Quantize):
            bits = step.bits
    network = untrained(config.model.widened(kept), info)
    deployed, row = Deployed(network, info).eval(), torch.zeros(1, *info.input_shape)
    seconds = []
    with torch.inference_mode():
        for _ in range(ANSWERS):
            started = time.thread_time()
            deployed(row)
            seconds.append(time.thread_time() - started)
    return count_parameters(network) * bits / 8, 1e3 * min(seconds)


def timed_in_turn(setting: Setting, file: bytes, row: NDArray[np.generic]) -> Timing:
    """One at a time, as ours does: here each trial is a process of its own."""
    with Path(setting.scratch, "judge.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return setting.timed(file, row)


if __name__ == "__main__":
    main()
