"""A joint table as a search's board: its trials are looked up, its clock is virtual.

An epoch counts when it begins; one that is kept, by a paused trial or (reuse) by another that began
alike, counts once. The hypervolume is that of the exported files, as a share of the whole table's.
Nothing is read but the table: its data are stood in for by others, which no search loads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import joint_tables
from cells import CACHE
from joint_tables import Row
from stop_rule_rungs import BEFORE, Rungs, rule_before
from table_search import WORKERS, EpochsKept, Figures, Limit, Played, play

from automl import pareto, quality
from automl.bounds.bound import Bounds
from automl.config import canonical
from automl.data.linear_map import LinearMap
from automl.measure.measurement import Measurement
from automl.pareto import SPAN, Axis
from automl.recipe import Report
from automl.space.sampling import replay, sample
from automl.space.space import TrialConfig
from automl.space.store_keys import prefix_keys
from automl.study.background import Immediately
from automl.study.dispatcher import Dispatcher, DispatcherOptions
from automl.study.record import Settings
from automl.study.rung_state import Entry, RungName
from automl.study.simulator import Course
from automl.study.stopping.rung_entry import RungEntryOf, no_rung, rung_entry
from automl.study.stopping.stop_rule import StopRule
from automl.study.study import Study, create
from automl.trial.result import Status, TrialResult

STAND_IN = LinearMap()
MAX_TRIALS = 1000
"""A search that reuses would else go on and on with trials that train nothing."""


@dataclass(frozen=True)
class Method:
    """A stop rule (None: full training), by all objectives or by accuracy alone; proposals.

    As used a search does not stop trainings as short as the tables': it is `FULL_REUSE`.
    """

    rule: Callable[[], StopRule] | None = rule_before
    rungs: Rungs = BEFORE
    sampler: str = "tpe"
    reuse: bool = False
    only_accuracy: bool = False


FULL_REUSE = Method(None, reuse=True)


class Board:
    """A table, ready to be played on."""

    def __init__(self, name: str) -> None:
        self.table = table = joint_tables.load(name)
        trial = replace(table.space.trial, dataset=STAND_IN)
        self.name, self.space = name, replace(table.space, trial=trial)
        self.rows = {self._key(row.params): row for row in table.rows}
        self.bound_of = Bounds(CACHE)
        self.bound_of.datasets[canonical(STAND_IN), 0] = table.data, table.info["train_rows"]
        self.files = [figures_of(row) for row in table.rows if row.accuracy is not None]
        self.axes = axes_of(table.info["chance_accuracy"], self.files)
        self.whole = self._volume(self.files)

    def _key(self, params: dict[str, Any]) -> str:
        return canonical(sample(self.space, replay(params)))

    def share(self, points: Sequence[Figures]) -> float:
        """The share of the whole table's hypervolume that files have."""
        return self._volume(points) / self.whole

    def _volume(self, points: Sequence[Figures]) -> float:
        front = [points[i] for i in pareto.front_positions(points, list(self.axes))]
        return float(pareto.hypervolume(front, self.axes))

    def play(self, method: Method, seed: int, limit: Limit, trained: Trained) -> Played:
        """A search until its limit."""
        with method.rungs.in_force():
            return play(
                partial(self.dispatcher, method=method, seed=seed, trained=trained),
                partial(course, self.rows, trained),
                limit,
                lambda points: round(self.share(points), 5),
            )

    def dispatcher(
        self,
        folder: Path,
        method: Method,
        seed: int,
        trained: Trained,
        fixed: Mapping[str, str] = {},
    ) -> Dispatcher:
        """A search of the table, with some parameters fixed."""
        objectives = tuple(self.axes)
        settings = Settings(
            self.name, "", objectives, (), dict(fixed), seed, method.sampler, self.axes, 1.0
        )
        create(folder, settings, "", {"": b""})
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


def axes_of(chance: float, figures: Sequence[Figures]) -> dict[str, Axis]:
    """Accuracy from chance to perfect; bytes and time from the table's largest down by SPAN."""
    most = {name: max(one[name] for one in figures) for name in ("size_bytes", "latency_ms")}
    return {
        "accuracy": Axis(chance, quality.METRICS["accuracy"].perfect),
        **{name: Axis(value, value / SPAN, log=True) for name, value in most.items()},
    }


def figures_of(row: Row) -> Figures:
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


class Trained(EpochsKept):
    """Epochs that are kept: for others that begin alike (reuse), or for the trial itself.

    `cpu_seconds` are of all that was done: epochs, other work of steps, exports and measuring; of
    a trial that is proposed again no second time.
    """

    def __init__(self, reuse: bool) -> None:
        super().__init__()
        self.reuse = reuse
        self.whole: set[str] = set()
        self.measured: set[str] = set()
        self.cpu_seconds = 0.0

    def keys(self, config: TrialConfig) -> list[str]:
        keys = prefix_keys(config)
        return keys if self.reuse else [f"{keys[-1]} {position}" for position in range(len(keys))]


def course(rows: dict[str, Row], trained: Trained, config: TrialConfig) -> Course:
    """A trial of the table."""
    row = rows[whole := canonical(config)]
    for key, stage in zip(trained.keys(config), row.stages, strict=False):
        if key in trained.whole:
            continue
        for epoch, accuracy in enumerate(stage.accuracy, 1):
            seconds = stage.seconds[epoch - 1] if trained.is_new(key, epoch) else 0.0
            trained.cpu_seconds += seconds
            yield seconds, Report(stage.label, epoch, len(stage.accuracy), {"accuracy": accuracy})
        trained.whole.add(key)
        trained.cpu_seconds += stage.rest_seconds
    seconds = row.export_seconds + row.measure_seconds
    trained.cpu_seconds += 0.0 if whole in trained.measured else seconds
    trained.measured.add(whole)
    if row.accuracy is None:
        return seconds, TrialResult(Status(row.status), row.reason)
    figures = figures_of(row)
    measured = Measurement(
        {"accuracy": figures["accuracy"]}, int(figures["size_bytes"]), figures["latency_ms"], 1.0
    )
    parent = {"accuracy": row.stages[0].accuracy[-1]}
    return seconds, TrialResult(Status.COMPLETE, "", "", measured, parent)
