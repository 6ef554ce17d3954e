"""Does a front stay as it is when its files are measured once more?

python tests/benchmarks/front_stability.py [--home FOLDER] [--search NAME] [--trials N] [--times N]

Every complete trial's file of a search of digits is measured again, four times by default, and
each time's front is held against the next one's: that of plain dominance, and that which knows its
noise. The share that changed is that of models on one of two fronts alone, among those on either.
A search that the home does not have is made first. Written to results/front_stability.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median

import report_file

from automl import pareto
from automl.data import dataset
from automl.engine.searches import open_study
from automl.engine.study_space import study_space
from automl.home import Home, home_at
from automl.measure.measurement import Measurement, measure
from automl.store import Store
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId

HOME = Path(tempfile.gettempdir()) / "automl-front-stability"
COMMAND = [sys.executable, "-c", "from automl.cli.app import main; main()"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--search", default="digits")
    parser.add_argument("--trials", type=int, default=45)
    parser.add_argument("--times", type=int, default=4)
    asked = parser.parse_args()
    home = home_at(asked.home)
    if asked.search not in home.studies():
        options = ["--name", asked.search, "--trials", str(asked.trials), "--refit-minutes", "0"]
        subprocess.run(
            [*COMMAND, "search", "digits", *options, "--home", str(home.path)], check=True
        )
    study = open_study(home, asked.search)
    tries = measured_again(home, study, asked.times)
    fronts = {"plain": [plain(study, one) for one in tries]}
    fronts["new"] = [known(study, one) for one in tries]
    errors = [error for one in tries[0] for error in _relative_error(one)]
    summary = {
        "trials": len(tries[0]),
        "measured_times": len(tries),
        "front_changed_share": changed(fronts["new"]),
        "front_changed_share_plain": changed(fronts["plain"]),
        "members": fmean(map(len, fronts["new"])),
        "members_plain": fmean(map(len, fronts["plain"])),
        "latency_error": median(errors) if errors else 0.0,
        "latency_moved": median(moved(tries)),
    }
    told = {name: [sorted(map(str, one)) for one in own] for name, own in fronts.items()}
    figures = {str(r.id): [_figures(one[i]) for one in tries] for i, r in enumerate(tries[0])}
    report = {"summary": summary, "fronts": told, "trials": figures}
    report_file.write(report_file.path("front_stability"), report)
    print(json.dumps(summary, indent=1))


def measured_again(home: Home, study: Study, times: int) -> list[list[TrialRecord]]:
    """The complete trials of a search, their files measured anew each time."""
    trial = study_space(study).trial
    rows = dataset.load(trial.dataset, study.settings.seed, home.cache).validation
    store = Store(home.store)
    complete = [record for record in study.records() if record.is_complete]
    beside = study.timed_beside
    files = [store.read(r.result.key, "model.onnx") for r in complete if r.result is not None]
    tries = []
    for _ in range(times):
        found = [measure(file or b"", rows.inputs, rows.targets, beside) for file in files]
        tries.append([_with(r, own) for r, own in zip(complete, found, strict=True)])
    return tries


def _with(record: TrialRecord, measurement: Measurement) -> TrialRecord:
    assert record.result is not None
    return replace(record, result=replace(record.result, measurement=measurement))


def plain(study: Study, records: Sequence[TrialRecord]) -> set[TrialId]:
    """The front as if all figures were exact."""
    values = [record.values for record in records]
    positions = pareto.front_positions(values, study.settings.objectives)
    return {records[position].id for position in positions}


def known(study: Study, records: Sequence[TrialRecord]) -> set[TrialId]:
    """The front of what is better by more than noise."""
    return {record.id for record in study.front(records).members}


def changed(fronts: Sequence[set[TrialId]]) -> float:
    """The share of models that are on one of two fronts alone, of one time and the next."""
    return fmean(len(a ^ b) / len(a | b) for a, b in pairwise(fronts))


def moved(tries: Sequence[Sequence[TrialRecord]]) -> list[float]:
    """The shares by which latencies differ from one time to the next."""
    latencies = [[record.values["latency_ms"] for record in one] for one in tries]
    return [abs(b / a - 1) for one, other in pairwise(latencies) for a, b in zip(one, other)]


def _relative_error(record: TrialRecord) -> list[float]:
    error = record.uncertainty.get("latency_ms")
    return [] if error is None else [error / record.values["latency_ms"]]


def _figures(record: TrialRecord) -> dict[str, float]:
    names = ("accuracy", "size_bytes", "latency_ms")
    errors = {f"{n}_error": e for n, e in record.uncertainty.items() if n in names}
    return {**{name: record.values[name] for name in names}, **errors}


if __name__ == "__main__":
    main()
