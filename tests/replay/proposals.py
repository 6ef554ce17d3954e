"""What a search proposes, played with made-up trials: `python tests/replay/proposals.py SPACE`.

Floats that differ in their last digit can change what comes next. So this runs in a process of
its own, on one thread and with what every x86-64 processor since 2013 has.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

from differences import rounded
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

from automl import user_code
from automl.bounds.bound import Bounds
from automl.measure.measurement import Measurement
from automl.pareto import Axis
from automl.quality import QUALITY, usual
from automl.recipe import Report
from automl.space import space_file
from automl.study.background import Immediately
from automl.study.dispatcher import Dispatcher, DispatcherOptions
from automl.study.record import Settings, TrialRecord
from automl.study.simulator import simulate
from automl.study.stopping.rung_entry import rung_entry
from automl.study.study import create
from automl.trial.result import Status, TrialResult

SPACES = {"digits": "size_bytes<=5000", "tabular": "size_bytes<=2000"}
"""Each with what is asked of it under the last seed, so that some proposals are screened."""
SEEDS = (0, 1)
COUNT = 40
AXES = {
    "accuracy": Axis(0.1, 1.0),
    "roc_auc": Axis(0.5, 1.0),
    "size_bytes": Axis(1e6, 1e3, True),
    "latency_ms": Axis(10.0, 0.01, True),
}
NEWER = ("AVX512", "X86_V4")
"""How NumPy's names of what newer processors have begin."""


def proposed(name: str) -> dict[str, Any]:
    """What is proposed in a space of that name, by the seed, and the fronts that come of it."""
    done = subprocess.run(
        [sys.executable, __file__, name],
        env=os.environ | _alike(),
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _alike() -> dict[str, str]:
    names = [n for n in __cpu_dispatch__ if n.startswith(NEWER) and __cpu_features__[n]]
    masked = {"NPY_DISABLE_CPU_FEATURES": ",".join(names)} if names else {}
    return {"OPENBLAS_CORETYPE": "Haswell", "OMP_NUM_THREADS": "1", **masked}


def _search(name: str, seed: int, folder: Path) -> Dispatcher:
    """A whole search on a virtual clock."""
    text = space_file.read(space_file.find(name))
    space, bounds = space_file.load(text), Bounds(folder / "cache")
    # The task of the data, two uneven classes, is told by no more than its name here.
    objectives = tuple(usual((1, 2))[0] if one == QUALITY else one for one in space.objectives)
    axes = {objective: AXES[objective] for objective in objectives}
    constraints = (SPACES[name],) if seed == SEEDS[-1] else ()
    start = (name, "", objectives, constraints, {}, seed, "tpe", axes, 1.0)
    settings = Settings(*start)
    dispatcher = Dispatcher(
        create(folder / f"{name}-{seed}", settings, text, {"": b""}),
        space,
        user_code.fingerprint(text),
        lambda key: False,
        bounds,
        DispatcherOptions(
            max_live=2,
            max_trials=COUNT,
            rung_entry=partial(rung_entry, settings, bounds),
            thread=Immediately,
        ),
    )
    for _ in simulate(dispatcher, _course_of(dispatcher, bounds), 1):
        pass
    dispatcher.close()
    return dispatcher


def _course_of(dispatcher: Dispatcher, bounds: Bounds) -> Callable[[Any], Any]:
    """Made up: better with every epoch, and the larger, with luck that goes by the parameters; what
    cannot be, such as a linear model cut, is rejected."""
    quality, done = dispatcher.study.settings.objectives[0], dict[str, int]()

    def course(config: Any) -> Generator[tuple[float, Report], None, tuple[float, TrialResult]]:
        plans = dispatcher.under_way.plans.items()
        (trial,) = (trial for trial, plan in plans if plan.config is config)
        params = dispatcher.under_way.live[trial].params
        luck = random.Random(json.dumps(params, sort_keys=True)).random()
        bound = bounds(config)
        top = 0.5 + 0.4 * bound.size_bytes / (bound.size_bytes + 5000) + 0.1 * luck
        keys = dispatcher.under_way.keys(config)
        for key, step in zip(keys, config.recipe, strict=False):
            epochs = getattr(step, "epochs", 0)
            for epoch in range(1, epochs + 1):
                is_known = epoch <= done.get(key, 0)
                done[key] = max(epoch, done.get(key, 0))
                metrics = {quality: top * epoch / (epoch + 1)}
                yield 0.0 if is_known else 1.0, Report(step.label, epoch, epochs, metrics)
        if not bound.size_bytes:
            return 0.5, TrialResult(Status.REJECTED, "nothing fits", keys[-1])
        measurement = Measurement({quality: top}, bound.size_bytes, 0.01 + bound.macs / 1e5, 1.0)
        return 0.5, TrialResult(Status.COMPLETE, "", keys[-1], measurement)

    return course


def _proposal(record: TrialRecord) -> dict[str, Any]:
    """`turn` and `left` say as which it was last begun and as which it left, ended or paused."""
    return {
        "draw": record.drawing.num_draws,
        "parent": record.drawing.parent.number if record.drawing.parent else None,
        "turn": record.course.handout,
        "left": record.course.departure,
        "end": str(record.result.status) if record.result else "paused",
        "params": record.params,
        "screened": record.drawing.screened,
    }


def _played(name: str) -> dict[str, Any]:
    found: dict[str, Any] = {"proposals": {}, "fronts": {}}
    with tempfile.TemporaryDirectory(prefix="automl-replay-") as folder:
        for seed in SEEDS:
            study = _search(name, seed, Path(folder)).study
            records, names = study.records(), study.settings.objectives
            found["proposals"][str(seed)] = {str(r.id.number): _proposal(r) for r in records}
            found["fronts"][str(seed)] = {
                str(m.id.number): {"figures": {n: m.values[n] for n in names}, "params": m.params}
                for m in study.front().members
            }
    return found


if __name__ == "__main__":
    print(json.dumps(rounded(_played(sys.argv[1]))))
