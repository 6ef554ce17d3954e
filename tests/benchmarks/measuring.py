"""How long trials wait for the measurer where quality takes two seconds: 200 trials on four slots.

python tests/benchmarks/measuring.py [--small]

A trial sleeps four seconds, exports a network of a width of its own, and measures; the four slots
are four processors to Ray, however many there are, since almost all of that is sleep. `before` in
the results is the same space on a commit that measured quality in the measurer, and stays as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import report_file
import watched

SPACE = str(Path(__file__).with_name("measuring_space.py"))
SLOTS, TRIALS, SMALL_TRIALS = 4, 200, 16


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    before = report_file.parts(report_file.path("measuring"))["before"]
    summary = run(SMALL_TRIALS if small else TRIALS)
    report_file.write(report_file.path("measuring", small), {"summary": summary, "before": before})
    print(json.dumps(summary, indent=1))


def run(num_trials: int) -> dict[str, Any]:
    """A search, and what its trials waited."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        found, watch = watched.search(
            *(SPACE, SLOTS, home),
            trials=num_trials,
            sampler="random",
            early_stopping=False,
            reuse=False,
            refit_minutes=0,
            seed=0,
        )
        summary, records = found.summary(), found.study.records()
    measured = [record.measurement for record in records if record.measurement is not None]
    errors = [one.uncertainty["latency_ms"] / one.latency_ms for one in measured]
    return {
        "trials": len(measured),
        "slots": SLOTS,
        "latencies": len({one.latency_ms for one in measured}),
        "waiting_for_measurer_share": round(summary.waiting_for_measurer_share, 5),
        "waited_seconds": round(summary.waited_seconds, 2),
        "trial_seconds": round(summary.compute_seconds / len(records), 3),
        "search_seconds": round(watch.trials[-1]["seconds"], 1),
        "latency_error_share": round(statistics.median(errors), 5),
    }


if __name__ == "__main__":
    main()
