"""Does stopping pay on long trainings? Stop rules on tables of 5 to 80 epochs, at equal epochs.

python tests/benchmarks/stop_rule_long.py [--lcbench FILE] [--hub FOLDER] [--small]
    [--methods …] [--tables …] [--seeds 0 1 …] [--again]

The search is the real one on a virtual clock; its trials are looked up in `long_tables.py`. It may
train as many epochs as 20 full trainings have. An epoch counts when it begins, that of a paused
trial once. The hypervolume is that of the models trained to their end, as a share of the table's.
Methods with `_random` draw at random, others as a search does. Our rule is named by its first
rung, the spacing of the rungs, of how many trials one goes on, and how many go on whatever they
reach: `rule_2_2_3_3`. FOLDER is `package/pruners/multi_metric_pruner` of the repository
optuna/optunahub-registry.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import long_tables
import report_file
from long_tables import Table
from stop_rule_hub import HubRule
from stop_rule_long_summary import OURS, plot, summary
from stop_rule_rungs import BEFORE, TODAY, Rungs
from stop_rule_syne import SyneRule
from table_search import WORKERS, EpochsKept, Limit, play

from automl.bounds.bound import Bound
from automl.data.linear_map import LinearMap
from automl.measure.measurement import Measurement
from automl.models.family import ModelFamily
from automl.recipe import Report
from automl.space.space import Space, TrialConfig
from automl.study.background import Immediately
from automl.study.dispatcher import Dispatcher, DispatcherOptions
from automl.study.record import Settings
from automl.study.rung_state import Entry, RungName
from automl.study.simulator import Course
from automl.study.stopping import stop_rule
from automl.study.stopping.rung_entry import RungEntryOf, no_rung
from automl.study.stopping.stop_rule import StopRule
from automl.study.study import Study, create
from automl.training.loop import Train
from automl.trial.result import Status, TrialResult

FULL_TRAININGS, FEW_TRAININGS = 20, 5
PACKAGES = ("optuna", "numpy", "scipy", "onnxruntime")
TRIED = ((1, 2, 4), (2, 3, 4), (2, 3, 4), (3, 8))
"""Of our rule: first rung, spacing, share, and entries that go on whatever they reach."""
HUB_REPORTS = 9
"""The reports of a whole training that OptunaHub's pruner gets, which takes long for each."""


@dataclass(frozen=True)
class Method:
    """A stop rule (None: full training), its rungs, and where proposals come from."""

    rule: Callable[[], StopRule] | None
    rungs: Rungs = TODAY
    sampler: str = "tpe"
    reports: int | None = None


@dataclass(frozen=True)
class Row(ModelFamily):
    """A row of a table, as what a space draws."""

    leaves: dict[str, Any]


@dataclass(frozen=True)
class Known:
    """What a table tells of a row beforehand."""

    size_bytes: int
    macs: int = 1
    steps: dict[str, int] = field(default_factory=dict)
    is_rejected: bool = False


def main() -> None:
    given = arguments()
    methods = methods_of(given.hub)
    tables = long_tables.recorded()
    if given.lcbench is not None:
        tables += long_tables.lcbench(given.lcbench)
    results = report_file.path("stop_rule_long", given.small)
    full_trainings = FEW_TRAININGS if given.small else FULL_TRAININGS
    report: dict[str, Any] = {"full_trainings": full_trainings, "tables": {}, "cells": {}}
    report |= report_file.parts(results)
    report["tables"] |= {
        table.name: {"epochs": table.epochs, "is_chosen_on": table.is_chosen_on} for table in tables
    }
    asked = [table for table in tables if not given.tables or table.name in given.tables]
    for seed, table, name in itertools.product(given.seeds, asked, given.methods):
        cell = f"{table.name}.{name}.{seed}"
        if given.again or cell not in report["cells"]:
            started = time.process_time()
            found = report["cells"][cell] = played(table, methods[name], seed, full_trainings)
            save(report, results)
            seconds = f"{time.process_time() - started:.0f} s"
            print(cell, found["curve"][-1], found["counts"], seconds, flush=True)
    report = save(report, results)
    plot(report, results.with_suffix(".png"))
    print(json.dumps(summary(report), indent=1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lcbench", type=Path)
    parser.add_argument("--hub", type=Path)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--methods", nargs="+", default=["full", OURS])
    parser.add_argument("--tables", nargs="+")
    parser.add_argument("--seeds", nargs="+", type=int)
    given = parser.parse_args()
    given.seeds = given.seeds or [*range(2 if given.small else 10)]
    return given


def methods_of(hub: Path | None) -> dict[str, Method]:
    """All methods, by name. Syne Tune's rungs grow by its share, three."""
    found = {"full": Method(None), "syne": Method(SyneRule, BEFORE)}
    for first, spacing, share, free in itertools.product(*TRIED):
        rule = partial(StopRule, free)
        rungs = Rungs(first, spacing, share)
        found[f"rule_{first}_{spacing}_{share}_{free}"] = Method(rule, rungs)
    if hub is not None:
        found["hub"] = Method(partial(HubRule, hub), reports=HUB_REPORTS)
    at_random = {
        f"{name}_random": Method(one.rule, one.rungs, "random", one.reports)
        for name, one in found.items()
    }
    return found | at_random


def save(report: dict[str, Any], results: Path) -> dict[str, Any]:
    """Write the report with what another process has added, and give back the whole."""
    found = report_file.parts(results)
    whole = report | {part: found.get(part, {}) | report[part] for part in ("tables", "cells")}
    report_file.write(results, {"summary": summary(whole), **whole}, PACKAGES, indent=None)
    return whole


def played(table: Table, method: Method, seed: int, full_trainings: int) -> dict[str, Any]:
    """A search until so many epochs have begun."""
    trained = EpochsKept()
    with method.rungs.in_force():
        found = play(
            partial(dispatcher_of, table=table, method=method, seed=seed),
            partial(course, table, trained),
            Limit(full_trainings * table.epochs, lambda event: trained.num_epochs),
            lambda points: round(table.volume(points) / table.whole, 4),
        )
    return {"curve": found.curve, "counts": {"started": found.started, "complete": found.complete}}


def dispatcher_of(folder: Path, table: Table, method: Method, seed: int) -> Dispatcher:
    """A search of a table."""
    names = tuple(table.axes)
    train = Train(epochs=table.epochs)
    space = Space(TrialConfig(LinearMap(), Row(dict(table.domains)), (train,)), names)
    settings = Settings("table", "", names, (), {}, seed, method.sampler, table.axes, 1.0)
    create(folder, settings, "", {"": b""})
    options = DispatcherOptions(
        slots=WORKERS,
        max_live=WORKERS,
        max_trials=len(table.accuracy),
        reuse=False,
        rung_entry=entries(table, method) if method.rule else no_rung,
        thread=Immediately,
    )
    dispatcher = Dispatcher(
        Study(folder), space, "", lambda key: False, partial(bound, table), options
    )
    if method.rule:
        dispatcher.rule = method.rule()
    return dispatcher


def entries(table: Table, method: Method) -> RungEntryOf:
    """What a rule sees of a report: accuracy now, and the bytes, which are known."""

    def entry_of(
        config: TrialConfig, keys: list[str], report: Report
    ) -> tuple[RungName, Entry] | None:
        if method.reports is None:
            is_due = stop_rule.is_rung(report.epoch, report.epochs)
        else:
            is_due = report.epoch % max(1, report.epochs // method.reports) == 0
        if not is_due:
            return None
        figures = table.figures(row_of(table, config)) | dict(report.metrics)
        values = tuple(axis.at(figures[name]) for name, axis in table.axes.items())
        return RungName(report.step, "labels", report.epoch), Entry(keys[0], values)

    return entry_of


def row_of(table: Table, config: TrialConfig) -> int:
    assert isinstance(config.model, Row)
    return table.row(config.model.leaves)


def bound(table: Table, config: TrialConfig) -> Bound:
    known: Any = Known(int(table.size_bytes[row_of(table, config)]))
    found: Bound = known
    return found


def course(table: Table, trained: EpochsKept, config: TrialConfig) -> Course:
    """A trial of the table."""
    row = row_of(table, config)
    for epoch, accuracy in enumerate(table.accuracy[row].tolist(), 1):
        seconds = 1.0 if trained.is_new(str(row), epoch) else 0.0
        yield seconds, Report("train", epoch, table.epochs, {"accuracy": accuracy})
    figures = table.figures(row)
    quality = {"accuracy": figures["accuracy"]}
    measured = Measurement(quality, int(figures["size_bytes"]), 1.0, 1.0)
    return 0.0, TrialResult(Status.COMPLETE, "", "", measured, quality)


if __name__ == "__main__":
    main()
