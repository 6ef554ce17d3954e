"""Where slots stand idle: a search of 30 digits trials and their refits on two slots.

python tests/benchmarks/idle.py [--small] [--rounds N]

`wall_over_compute` is the search's own time, from Ray ready to the last trial's or refit's end,
times the slots, over the seconds that trials and refits worked (`automl front --json` tells
both). What is between them is told in seconds of slots: `start_s` until each slot began with its
first trial, `waiting_s` of trials for the measurer, `refit_idle_s` of slots after the last trial
of the search, `between_s` the rest. Of the work, `export_s` are exports with their gate, and
`export_median_s` is the median one. `process_s` is the whole command, from its start to its end,
and `prepared_s` what of it passes until trials may begin.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report_file

from automl.engine.searches import open_study
from automl.home import Home
from automl.study import timeline
from automl.study.timeline import Stay

TRIALS, SMALL_TRIALS, SLOTS = 30, 6, 2
COMMAND = (
    *(sys.executable, "-c", "from automl.cli.app import main; main()"),
    *("search", "digits", "--seed", "0"),
)
PACKAGES = ("ray", "torch", "onnx", "onnxruntime")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--rounds", type=int)
    given = parser.parse_args()
    rows = []
    for _ in range(given.rounds or (1 if given.small else 3)):
        rows.append(timed(SMALL_TRIALS if given.small else TRIALS))
        print({name: value for name, value in rows[-1].items() if name != "stays"}, flush=True)
    middle = sorted(rows, key=lambda row: row["wall_over_compute"])[len(rows) // 2]
    summary = {name: value for name, value in middle.items() if name != "stays"}
    results = report_file.path("idle", given.small)
    report_file.write(results, {"summary": summary, "rows": rows}, PACKAGES)
    print(json.dumps(summary))


def timed(num_trials: int) -> dict[str, object]:
    """The figures of a search by the command line: what the slots did."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        started = time.time()
        command = [*COMMAND, "--trials", str(num_trials), "--home", home]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.time() - started
        study = open_study(Home(Path(home)), "digits")
        summary, stays = study.summary(), timeline.read(study.folder)
        [(begun, _)] = study.attribute("runs")
    assert summary.slots == SLOTS, f"{summary.slots} slots, not {SLOTS}"
    return {
        "slots": summary.slots,
        "prepared_s": round(begun - started, 2),
        **parts(stays, begun, summary.seconds, summary.slots, summary.compute_seconds),
        "stays": [vars(stay) for stay in stays],
        "process_s": round(seconds, 2),
    }


def parts(
    stays: list[Stay], begun: float, wall: float, slots: int, compute: float
) -> dict[str, float]:
    """The slots' seconds, told apart; the stays of a search that began at a moment."""
    whole, worked = wall * slots, sum(stay.ended - stay.begun for stay in stays)
    firsts: dict[str, float] = {}
    for stay in sorted(stays, key=lambda stay: stay.begun):
        firsts.setdefault(stay.slot, stay.begun)
    start = sum(sorted(first - begun for first in firsts.values())[:slots])
    searched = max(stay.ended for stay in stays if not stay.is_refit)
    after = sum(max(0.0, s.ended - max(s.begun, searched)) for s in stays)
    refit_idle = max(0.0, (begun + wall - searched) * slots - after)
    exports = [stay.stages["export"] for stay in stays if "export" in stay.stages]
    found = {
        "wall_over_compute": whole / compute,
        "wall_s": wall,
        "compute_s": compute,
        "start_s": start,
        "waiting_s": sum(stay.ended - stay.begun - stay.seconds for stay in stays),
        "refit_idle_s": refit_idle,
        "between_s": whole - worked - start - refit_idle,
        "export_s": sum(exports),
        "export_median_s": statistics.median(exports),
        "refits": sum(stay.is_refit and stay.status == "complete" for stay in stays),
        "processes": len(firsts),
    }
    return {name: round(value, 3) for name, value in found.items()}


if __name__ == "__main__":
    main()
