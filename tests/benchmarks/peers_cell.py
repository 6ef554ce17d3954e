"""One cell of `peers.py`, in a process of its own: one method on one set under one seed.

python peers_cell.py REQUEST RESULT, both JSON files. Seconds are counted from the moment at which
Ray and the judge are ready, or the tuner is started; ours counts from the same moment.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peers_trial import Setting

from automl.compression.quantize import AWARE_EPOCHS, Quantize
from automl.measure.measurement import measure
from automl.recipe import Step
from automl.space import space_file as source
from automl.space.exploring import explore, validate
from automl.space.space import Space
from automl.training.loop import Train
from automl.trial.reference_model import Largest, largest


@dataclass(frozen=True)
class Request:
    """A cell: what to run, for how long, and the ranges that all cells of its set share."""

    space: str
    method: str
    seed: int
    seconds: float
    slots: int
    core: int
    cache: str
    axes: dict[str, list[Any]]
    reference_latency_ms: float


def freeze(space_file: str, folder: str, cache: Path) -> dict[str, Any]:
    """A set's ranges of the hypervolume, and the latency that all others are relative to."""
    space = source.load(Path(space_file).read_text(), {}, space_file, folder)
    reference = largest(space, validate(space), cache)
    rows = reference.rows
    figures = measure(reference.export(), rows.inputs, rows.targets).figures
    axes = reference.axes(space.objectives, figures)
    return {
        "axes": {name: [axis.worst, axis.best, axis.log] for name, axis in axes.items()},
        "reference_latency_ms": figures["latency_ms"],
    }


def main() -> None:
    request = Request(**json.loads(Path(sys.argv[1]).read_text()))
    os.sched_setaffinity(0, {request.core})
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        run = ours if request.method == "ours" else peer
        result = run(request, scratch)
    Path(sys.argv[2]).write_text(json.dumps(result))


def ours(request: Request, scratch: str) -> dict[str, Any]:
    """Our own search in a fresh home; latencies as the other methods tell them."""
    import watched

    minutes, seed = request.seconds / 60, request.seed
    found, watch = watched.search(request.space, request.slots, scratch, minutes=minutes, seed=seed)
    scale = request.reference_latency_ms / watch.reference_latency_ms
    for trial in watch.trials:
        trial["figures"] = {n: v for n, v in trial["figures"].items() if n in request.axes}
        if trial["figures"]:
            trial["figures"]["latency_ms"] *= scale
    return {"started": sum(found.summary().trials.values()), "trials": watch.trials}


def peer(request: Request, scratch: str) -> dict[str, Any]:
    setting = prepare(request, scratch)
    if request.method == "syne_moasha":
        import peers_syne

        started = time.time()
        peers_syne.search(setting, request.seconds, request.slots)
    else:
        import peers_ray

        peers_ray.start(request.slots)
        judge = peers_ray.start_judge(setting)
        started = time.time()
        peers_ray.search(
            peers_ray.METHODS[request.method], setting, judge, request.slots, request.seconds
        )
    return logged(Path(scratch), started)


def prepare(request: Request, scratch: str) -> Setting:
    """Everything that a peer finds ready: the data, split, and the file to measure against."""
    folder, fixed = os.getcwd(), {"seed": str(request.seed)}
    space = source.load(Path(request.space).read_text(), fixed, request.space, folder)
    reference: Largest = largest(space, validate(space), Path(request.cache))
    Path(scratch, "reference.onnx").write_bytes(reference.export())
    return Setting(
        space=request.space,
        seed=request.seed,
        folder=folder,
        cache=request.cache,
        scratch=scratch,
        reference_latency_ms=request.reference_latency_ms,
        worst={name: worst for name, (worst, _, _) in request.axes.items()},
        epochs=max_epochs(space),
    )


def max_epochs(space: Space) -> int:
    """The most reports of an epoch that a trial of the space gives."""
    steps = [step for config in explore(space).configs for step in config.recipe]
    longest = {
        step.label: max(_epochs(s) for s in steps if s.label == step.label) for step in steps
    }
    return sum(longest.values())


def _epochs(step: Step) -> int:
    if isinstance(step, Quantize):
        return step.training.epochs if step.training else AWARE_EPOCHS
    return step.epochs if isinstance(step, Train) else 0


def logged(scratch: Path, started: float) -> dict[str, Any]:
    """What stands in a peer's log; what was stopped, or under way at the end, only started."""
    lines = [json.loads(line) for line in (scratch / "log.jsonl").read_text().splitlines()]
    ended = [line for line in lines if line.pop("event") == "ended"]
    trials = [{"seconds": line.pop("time") - started, **line} for line in ended]
    return {"started": len(lines) - len(ended), "trials": trials}


if __name__ == "__main__":
    main()
