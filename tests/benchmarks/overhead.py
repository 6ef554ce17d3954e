"""What a trial costs beside its own work: trivial trials, start included, over their number.

python tests/benchmarks/overhead.py [--small]

All sides run the same trial, `trial.run` on a linear map for one epoch, exported, gated and
measured by one judge, on two slots; the whole process is timed, from its start to its end.
`ours_s` includes the study and MLflow, `tune_s` (a Tune function, reused actors, OptunaSearch)
Ray's MLflow callback, both on SQLite; `tune_train_s` starts a Train run in each trial, over fewer
trials. `…_work_s` is the part that the trials themselves took, over the slots.

Ray's own test of its bookkeeping runs 10,000 trials of 1 s on 16 slots, which must end in 800 s
where the trials themselves take 625 s. Scaled down, ours has fewer trials, on 4 slots, and each is
exported and measured too: `sleep_s`, from Ray ready to the last result, must stay below
`sleep_allowed_s`, the same 1.28 times what the trials themselves took, over the slots.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import report_file
from cells import CACHE

HERE = Path(__file__).parent
RUN = str(HERE / "overhead_run.py")
SLOTS, SLEEP_SLOTS = 2, 4
TRIALS = {"ours": 50, "tune": 50, "tune_train": 6, "sleep": 200}
SMALL_TRIALS = {"ours": 10, "tune": 10, "tune_train": 2, "sleep": 20}
LOG = CACHE / "overhead.log"
ALLOWED = 800 / 625
PACKAGES = ("ray", "optuna", "mlflow", "torch", "onnxruntime")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--rounds", type=int)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for _ in range(given.rounds or (1 if given.small else 3)):
        for side, num_trials in (SMALL_TRIALS if given.small else TRIALS).items():
            rows.append(timed(side, num_trials, SLEEP_SLOTS if side == "sleep" else SLOTS))
            print(rows[-1], flush=True)
    results = report_file.path("overhead", given.small)
    report_file.write(results, {"summary": summary(rows), "rows": rows}, PACKAGES)
    print(json.dumps(summary(rows)))


def timed(side: str, num_trials: int, slots: int) -> dict[str, Any]:
    """The whole process of a side, and what its trials took; what it says goes to LOG."""
    CACHE.mkdir(exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as scratch, LOG.open("w") as log:
        answer = Path(scratch, "result.json")
        command = [sys.executable, RUN, side, str(num_trials), str(slots), str(answer)]
        started = time.perf_counter()
        subprocess.run(command, env=environment, check=True, stdout=log, stderr=log)
        seconds = time.perf_counter() - started
        trials = json.loads(answer.read_text())
    return {
        "side": side,
        "trials": num_trials,
        "slots": slots,
        "seconds": round(seconds, 2),
        "search_seconds": round(max(trial["seconds"] for trial in trials), 2),
        "trial_seconds": [round(trial["trial_seconds"], 3) for trial in trials],
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The median of rounds; all but the sleeping ones per trial."""
    found: dict[str, float] = {}
    for side in TRIALS:
        own = [row for row in rows if row["side"] == side]
        trials, slots = own[0]["trials"], own[0]["slots"]
        work = statistics.median(sum(row["trial_seconds"]) / slots for row in own)
        if side == "sleep":
            found["sleep_s"] = statistics.median(row["search_seconds"] for row in own)
            found["sleep_allowed_s"] = round(ALLOWED * work, 2)
        else:
            whole = statistics.median(row["seconds"] for row in own)
            found[f"{side}_s"] = round(whole / trials, 3)
            found[f"{side}_work_s"] = round(work / trials, 3)
    return found


if __name__ == "__main__":
    main()
