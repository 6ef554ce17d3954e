"""Trials a minute on one slot and on two, really; and how busy up to 1,000 workers are, played.

python tests/benchmarks/scaling.py [--small]

The real searches draw at random and train from scratch each, so that both do alike work. Played
ones are those of `scale.py`, whose trials' seconds follow from their work; there, drawing takes no
time of the virtual clock: `scale.json` says how many a second the thread can draw.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import report_file
from scale import Store, course, started

from automl.engine import api
from automl.space.space import TrialConfig
from automl.study.simulator import Course, simulate

SETS = {"recipe.train.epochs": "20", "model": "ConvNet"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    trials, fleets = (8, (1, 10)) if small else (40, (1, 10, 100, 1000))
    slots = {str(number): really(number, trials) for number in (1, 2)}
    workers = {str(number): played(number, 2 * number + 200) for number in fleets}
    per_minute = {name: 60 * found["trials"] / found["seconds"] for name, found in slots.items()}
    summary = {f"trials_per_minute.{name}_slots": value for name, value in per_minute.items()}
    summary["efficiency.2_slots"] = per_minute["2"] / per_minute["1"] / 2
    for name, found in workers.items():
        summary[f"busy.{name}_workers"] = found["busy_seconds"] / (int(name) * found["seconds"])
    report = {"summary": summary, "slots": slots, "workers": workers}
    report_file.write(report_file.path("scaling", small), report)
    print(json.dumps(summary, indent=1))


def really(slots: int, trials: int) -> dict[str, float]:
    """A search of digits: its trials that ran, and its seconds from Ray ready to the last."""
    options: dict[str, Any] = {"reuse": False, "early_stopping": False, "refit_minutes": 0}
    with tempfile.TemporaryDirectory() as home:
        found = api.search(
            "digits", trials=trials, concurrency=slots, sampler="random", sets=SETS, home=home,
            **options,
        )  # fmt: skip
        return {"trials": len(found.study.records()), "seconds": found.summary().seconds}


def played(workers: int, trials: int) -> dict[str, float]:
    """So many trials on a virtual clock, and how long the workers were busy with them."""
    busy = 0.0

    def counted(config: TrialConfig) -> Course:
        nonlocal busy
        made = course(dispatcher.proposer.known.bound_of, stored, config)
        while True:
            try:
                seconds, report = next(made)
            except StopIteration as end:
                busy += end.value[0]
                return end.value
            yield seconds, report
            busy += seconds

    stored = Store()
    ended = 0
    with tempfile.TemporaryDirectory() as folder:
        dispatcher = started(Path(folder) / "scaling", workers, stored)
        for event in simulate(dispatcher, counted, workers):
            ended += event.record is not None
            if ended == trials:
                break
        dispatcher.close()
    return {"trials": ended, "busy_seconds": busy, "seconds": event.second}


if __name__ == "__main__":
    main()
