"""What the cells of `stop_rule_long.py` say: shares of hypervolume, with stopping and without."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from automl.study.stopping.rung_ranking import FREE, SHARE
from automl.study.stopping.stop_rule import FIRST_RUNG_EPOCH, STEP

OURS = f"rule_{FIRST_RUNG_EPOCH}_{STEP}_{SHARE}_{FREE}"
"""The rule as it is."""
NONE = "full"
LONG_EPOCHS = 40
"""Trainings of so many epochs are called long here."""


@dataclass(frozen=True)
class Gain:
    """The share of hypervolume that a method has beyond NONE under one seed of a table, as the
    mean over the course and at the end."""

    table: str
    method: str
    seed: int
    mean: float
    end: float


def summary(report: dict[str, Any]) -> dict[str, float]:
    """Gains of each method by half and by length of training; in how many seeds, and on how many
    tables, OURS is ahead of NONE on the long tables of the half that confirms.

    A gain is a mean over tables and seeds, one of a seed a mean over tables, one of a table a
    mean over seeds.
    """
    gains, tables = gains_of(report), report["tables"]
    found: dict[str, float] = {}
    for method in sorted({gain.method for gain in gains}):
        for half, is_chosen_on in (("chosen", True), ("confirmed", False)):
            for epochs in sorted({table["epochs"] for table in tables.values()}):
                kind = {"epochs": epochs, "is_chosen_on": is_chosen_on}
                fitting = [g for g in gains if g.method == method and tables[g.table] == kind]
                if fitting:
                    name = f"{method}.{half}_{epochs}_epochs"
                    found[f"{name}.mean"] = rounded(gain.mean for gain in fitting)
                    found[f"{name}.end"] = rounded(gain.end for gain in fitting)
    for half, is_chosen_on in (("chosen", True), ("confirmed", False)):
        long = [
            gain
            for gain in gains
            if gain.method == OURS
            and tables[gain.table]["epochs"] >= LONG_EPOCHS
            and tables[gain.table]["is_chosen_on"] == is_chosen_on
        ]
        seeds, sets = grouped(long, "seed"), grouped(long, "table")
        prefix = "" if half == "confirmed" else f"{half}_"
        found[f"{prefix}long_tables"] = len(sets)
        found[f"{prefix}stop_ahead_tables"] = sum(gain > 0 for gain in sets.values())
        found[f"{prefix}seeds"] = len(seeds)
        found[f"{prefix}stop_ahead_seeds_of_10"] = sum(gain > 0 for gain in seeds.values())
    return found


def gains_of(report: dict[str, Any]) -> list[Gain]:
    """Every cell beside the full training of the same table, seed and proposals."""
    found = means(report)
    gains = []
    for (table, method, seed), (mean, end) in found.items():
        base = f"{NONE}_random" if method.endswith("_random") else NONE
        if method != base and (table, base, seed) in found:
            base_mean, base_end = found[table, base, seed]
            gains.append(Gain(table, method, seed, mean - base_mean, end - base_end))
    return gains


def means(report: dict[str, Any]) -> dict[tuple[str, str, int], tuple[float, float]]:
    """The share over the course, as a mean, and at the end, by table, method and seed."""
    found = {}
    for key, cell in report["cells"].items():
        table, method, seed = key.split(".")
        budget = report["full_trainings"] * report["tables"][table]["epochs"]
        epochs, shares = np.array([*cell["curve"], (budget, 0.0)]).T
        mean = float((np.diff(epochs.clip(max=budget)) * shares[:-1]).sum() / budget)
        found[table, method, int(seed)] = mean, float(shares[:-1].max())
    return found


def grouped(gains: Iterable[Gain], by: str) -> Mapping[Any, float]:
    """The mean gain over the course of each seed, or of each table."""
    found: dict[Any, list[float]] = defaultdict(list)
    for gain in gains:
        found[getattr(gain, by)].append(gain.mean)
    return {name: float(np.mean(values)) for name, values in found.items()}


def rounded(values: Iterable[float]) -> float:
    return round(float(np.mean(list(values))), 4)


def plot(report: dict[str, Any], file: Path) -> None:
    """The gain over the course by length of training, of each method under a search's proposals."""
    figure, panel = plt.subplots(figsize=(7, 4.5))
    epochs_of = {name: table["epochs"] for name, table in report["tables"].items()}
    gains = [gain for gain in gains_of(report) if not gain.method.endswith("_random")]
    for method in sorted({gain.method for gain in gains}):
        by_length: dict[int, list[float]] = defaultdict(list)
        for gain in gains:
            if gain.method == method:
                by_length[epochs_of[gain.table]].append(gain.mean)
        lengths = sorted(by_length)
        values = [np.mean(by_length[epochs]) for epochs in lengths]
        panel.plot(lengths, values, "o-", label=method)
    panel.axhline(0, color="black", linewidth=0.8)
    panel.set(xlabel="epochs of a training", ylabel="gain in share of hypervolume")
    panel.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    plt.close(figure)
