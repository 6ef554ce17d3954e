"""Which trials should go on: stop rules on the joint table of digits, at equal epochs of training.

python tests/benchmarks/stop_rule.py [--small] [--methods …] [--seeds 0 1 …] [--again]

The search is the real one on a virtual clock; its trials are looked up in `digits_table.py`. An
epoch counts when it begins; one that is kept, by a paused trial or (reuse) by another that began
alike, counts once. The hypervolume is that of the exported files, as a share of the whole table's.
The rules stand by themselves in the rows without reuse, under the same proposals; the peers as they
are used, and what random search reaches, are the rows under random proposals.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import digits_table
from cells import CACHE
from digits_table import Row
from stop_rule_rungs import BEFORE, TODAY, Rungs, rule_before
from stop_rule_summary import plot, summary
from stop_rule_syne import SyneRule

from automl import pareto, quality
from automl.bounds.bound import Bounds
from automl.config import canonical
from automl.data import dataset
from automl.measure.machine import machine
from automl.measure.measurement import Measurement
from automl.pareto import SPAN, Axis
from automl.recipe import Report
from automl.space import space_file
from automl.space.sampling import replay, sample
from automl.space.space import Space, TrialConfig
from automl.space.store_keys import prefix_keys
from automl.study.background import Immediately
from automl.study.dispatcher import Dispatcher, DispatcherOptions
from automl.study.record import Settings
from automl.study.rung_state import Entry, RungName
from automl.study.simulator import Course, simulate
from automl.study.stopping.rung_entry import RungEntryOf, no_rung, rung_entry
from automl.study.stopping.stop_rule import StopRule
from automl.study.study import Study, create
from automl.trial.result import Status, TrialResult

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "stop_rule.json"
SPACE_FILE = HERE / "digits_table_space.py"
EPOCHS, SMALL_EPOCHS = 1500, 300
WORKERS = 4
MAX_TRIALS = 1000
"""A search that reuses would else go on and on with trials that train nothing."""
PACKAGES = ("optuna", "numpy", "scipy", "torch")


@dataclass(frozen=True)
class Method:
    """A stop rule (None: full training), by all objectives or by accuracy alone; proposals.

    As used a search does not stop trainings as short as the table's: it is `full_reuse`. Those
    named `third` are its rule for longer ones, the others of ours its rule until November 2026.
    """

    rule: Callable[[], StopRule] | None = rule_before
    rungs: Rungs = BEFORE
    sampler: str = "tpe"
    reuse: bool = False
    only_accuracy: bool = False


METHODS = {
    "full_reuse": Method(None, reuse=True),
    "third_reuse": Method(StopRule, TODAY, reuse=True),
    "third": Method(StopRule, TODAY),
    "ours_reuse": Method(reuse=True),
    "ours": Method(),
    "asha": Method(only_accuracy=True),
    "syne": Method(SyneRule),
    "full": Method(None),
    "ours_random": Method(sampler="random"),
    "asha_random": Method(sampler="random", only_accuracy=True),
    "syne_random": Method(SyneRule, sampler="random"),
    "full_random": Method(None, sampler="random"),
}


def main() -> None:
    given = arguments()
    results = RESULTS.parent / "small" / RESULTS.name if given.small else RESULTS
    epochs, board = SMALL_EPOCHS if given.small else EPOCHS, Board()
    report: dict[str, Any] = {"summary": {}, "epochs": epochs, "workers": WORKERS, "cells": {}}
    if results.exists():
        report = json.loads(results.read_text())
    for seed in given.seeds:
        for name in given.methods:
            if f"{name}.{seed}" not in report["cells"] or given.again:
                started = time.process_time()
                cell = board.play(METHODS[name], seed, epochs)
                report["cells"][f"{name}.{seed}"] = cell
                save(report, results)
                print(name, seed, cell["curve"][-1], cell["counts"], end=" ")
                print(f"{time.process_time() - started:.0f} s", flush=True)
    save(report, results)
    plot(report, results.with_suffix(".png"))
    print(json.dumps(report["summary"]))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int)
    given = parser.parse_args()
    given.seeds = given.seeds or [*range(2 if given.small else 10)]
    return given


def save(report: dict[str, Any], results: Path) -> None:
    """Write the report whole or not at all."""
    report["summary"] = summary(report)
    report["versions"] = {name: version(name) for name in PACKAGES}
    report |= {"machine": machine(), "date": time.strftime("%Y-%m-%d")}
    results.parent.mkdir(exist_ok=True)
    new = results.with_suffix(".new")
    new.write_text(json.dumps(report, indent=1) + "\n")
    new.replace(results)


class Board:
    """The table, ready to be played on."""

    def __init__(self) -> None:
        table = digits_table.load()
        self.space, self.text = table.space, space_file.read(SPACE_FILE)
        self.rows = {self._key(row.params): row for row in table.rows}
        self.bound_of = Bounds(CACHE)
        self.axes = axes_of(self.space, [row for row in table.rows if row.accuracy is not None])
        figures = [figures_of(row) for row in table.rows if row.accuracy is not None]
        self.whole = self.volume(figures)

    def _key(self, params: dict[str, Any]) -> str:
        return canonical(sample(self.space, replay(params)))

    def volume(self, points: list[dict[str, float]]) -> float:
        """The hypervolume of files."""
        front = [points[i] for i in pareto.front_positions(points, list(self.axes))]
        return pareto.hypervolume(front, self.axes)

    def play(self, method: Method, seed: int, epochs: int) -> dict[str, Any]:
        """A search until so many epochs have begun: pairs of epochs and the share from then on."""
        trained, curve, points = Trained(method.reuse), [(0, 0.0)], list[dict[str, float]]()
        with tempfile.TemporaryDirectory() as folder, method.rungs.in_force():
            dispatcher = self.dispatcher(Path(folder) / "study", method, seed, trained, {})
            course_of = partial(course, self.rows, trained)
            for event in simulate(dispatcher, course_of, WORKERS):
                if trained.num_epochs > epochs:
                    break
                result = event.record.result if event.record else None
                if result is not None and result.measurement is not None:
                    points.append(result.measurement.figures)
                    share = round(self.volume(points) / self.whole, 5)
                    if share > curve[-1][1]:
                        curve.append((trained.num_epochs, share))
            counts = {
                "started": dispatcher.num_started,
                "complete": len(points),
                "paused": len(dispatcher.under_way.paused),
                "epochs": trained.num_epochs,
            }
            dispatcher.close()
        return {"curve": curve, "counts": counts}

    def dispatcher(
        self, folder: Path, method: Method, seed: int, trained: Trained, fixed: Mapping[str, str]
    ) -> Dispatcher:
        """A search of the table, with some parameters fixed."""
        objectives = tuple(self.axes)
        settings = Settings(
            "digits_table", "", objectives, (), dict(fixed), seed, method.sampler, self.axes, 1.0
        )
        create(folder, settings, self.text, {"": b""})
        entry_of: RungEntryOf = partial(rung_entry, settings, self.bound_of)
        if method.only_accuracy:
            entry_of = partial(by_accuracy, entry_of, objectives.index("accuracy"))
        dispatcher = Dispatcher(
            Study(folder),
            replace(self.space, fixed=dict(fixed)),
            "",
            lambda key: not method.reuse or key in trained.whole,
            self.bound_of,
            DispatcherOptions(
                slots=WORKERS,
                max_live=WORKERS,
                max_trials=MAX_TRIALS,
                reuse=method.reuse,
                rung_entry=entry_of if method.rule else no_rung,
                thread=Immediately,
            ),
        )
        if method.rule:
            dispatcher.rule = method.rule()
        return dispatcher


def axes_of(space: Space, rows: list[Row]) -> dict[str, Axis]:
    """Accuracy from chance to perfect; bytes and time from the table's largest down by SPAN."""
    metric = quality.metrics(10)["accuracy"]
    rows_of_data = dataset.load(space.trial.dataset, 0, CACHE).validation
    most = {
        name: max(figures_of(row)[name] for row in rows) for name in ("size_bytes", "latency_ms")
    }
    return {
        "accuracy": Axis(metric.chance(rows_of_data.targets), metric.perfect),
        **{name: Axis(value, value / SPAN, log=True) for name, value in most.items()},
    }


def figures_of(row: Row) -> dict[str, float]:
    assert row.accuracy is not None and row.size_bytes is not None and row.latency_ms is not None
    return {
        "accuracy": row.accuracy,
        "size_bytes": float(row.size_bytes),
        "latency_ms": row.latency_ms,
    }


def by_accuracy(
    entry_of: RungEntryOf, position: int, config: TrialConfig, keys: list[str], report: Report
) -> tuple[RungName, Entry] | None:
    """What a rule sees that knows of no other objective."""
    found = entry_of(config, keys, report)
    return found and (found[0], replace(found[1], values=(found[1].values[position],)))


class Trained:
    """Epochs that are kept: for others that begin alike (reuse), or for the trial itself."""

    def __init__(self, reuse: bool) -> None:
        self.reuse = reuse
        self.epochs: dict[str, int] = {}
        self.whole: set[str] = set()
        self.num_epochs = 0

    def keys(self, config: TrialConfig) -> list[str]:
        keys = prefix_keys(config)
        return keys if self.reuse else [f"{keys[-1]} {position}" for position in range(len(keys))]

    def is_new(self, key: str, epoch: int) -> bool:
        """Whether an epoch must be trained, which then is."""
        if epoch <= self.epochs.get(key, 0):
            return False
        self.epochs[key] = epoch
        self.num_epochs += 1
        return True


def course(rows: dict[str, Row], trained: Trained, config: TrialConfig) -> Course:
    """A trial of the table."""
    row = rows[canonical(config)]
    for key, stage in zip(trained.keys(config), row.stages, strict=False):
        if key in trained.whole:
            continue
        for epoch, accuracy in enumerate(stage.accuracy, 1):
            seconds = stage.seconds[epoch - 1] if trained.is_new(key, epoch) else 0.0
            yield seconds, Report(stage.label, epoch, len(stage.accuracy), {"accuracy": accuracy})
        trained.whole.add(key)
    seconds = row.export_seconds + row.measure_seconds
    if row.accuracy is None:
        return seconds, TrialResult(Status(row.status), row.reason)
    figures = figures_of(row)
    measured = Measurement(
        {"accuracy": figures["accuracy"]}, int(figures["size_bytes"]), figures["latency_ms"], 1.0
    )
    parent = {"accuracy": row.stages[0].accuracy[-1]}
    return seconds, TrialResult(Status.COMPLETE, "", "", measured, parent)


if __name__ == "__main__":
    main()
