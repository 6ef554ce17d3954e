"""Syne Tune's MO-ASHA as a peer of `peers.py`, on its own Tuner and LocalBackend.

Its backends for one machine, PythonBackend among them, start a process for each trial, which
imports torch: that is how it works. The tuner looks every 0.1 s, not every 5, and keeps no files.
Syne Tune has no conditional spaces: every trial draws all parameters, and uses those it needs.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from peers_trial import Setting
from syne_tune import StoppingCriterion, Tuner
from syne_tune.backend import LocalBackend
from syne_tune.config_space import choice, loguniform, uniform
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

from automl.space.domains import Domain, FloatDomain, IntDomain, OneOfDomain
from automl.space.exploring import explore

SCRIPT = Path(__file__).with_name("peers_syne_trial.py")
OBJECTIVES = ["error", "bytes", "latency_ms"]
SLEEP_SECONDS = 0.1
MAX_FAILURES = 1000


def search(setting: Setting, seconds: float, slots: int) -> None:
    """Run it for that long; what it finds stands in the setting's log."""
    os.environ["SYNETUNE_FOLDER"] = f"{setting.scratch}/syne-tune"
    # MOASHA draws from numpy's global generator, whatever its own seed is.
    np.random.seed(setting.seed)
    domains = explore(setting.load()).domains
    space = {path: syne_domain(domain) for path, domain in domains.items()}
    Tuner(
        LocalBackend(str(SCRIPT), pass_args_as_json=True, rotate_gpus=False),
        MOASHA(
            {**space, "setting": json.dumps(asdict(setting))},
            metrics=OBJECTIVES,
            time_attr="epoch",
            max_t=setting.epochs + 1,
            random_seed=setting.seed,
        ),
        StoppingCriterion(max_wallclock_time=seconds),
        n_workers=slots,
        sleep_time=SLEEP_SECONDS,
        max_failures=MAX_FAILURES,
        callbacks=[],
        save_tuner=False,
    ).run()


def syne_domain(domain: Domain) -> Any:
    match domain:
        case IntDomain(low, high, step):
            return choice(list(range(low, high + 1, step)))
        case FloatDomain(low, high, log):
            return loguniform(low, high) if log else uniform(low, high)
        case OneOfDomain():
            return choice(domain.names())
    raise AssertionError(domain)
