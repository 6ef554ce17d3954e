"""What the cells of `stop_rule.py` say: shares of the table's hypervolume over epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

BEST = "full_reuse"
"""What is to be the best of all, in every seed."""
AS_USED = ("full_reuse", "asha_random", "syne_random", "full_random")
"""Ours, and the others with the proposals that they come with."""


def summary(report: dict[str, Any]) -> dict[str, float]:
    """Of each method the share at the end and the mean over the course, the means of seeds; and in
    how many of the seeds BEST has the best mean over the course, of those AS_USED and of all."""
    found: dict[str, float] = {}
    grid = np.arange(report["epochs"] + 1)
    by_seed: dict[str, dict[str, float]] = {}
    for method, curves in curves_of(report).items():
        shares = {seed: at(curve, grid) for seed, curve in curves.items()}
        found[f"{method}.final"] = round(float(np.mean([s[-1] for s in shares.values()])), 4)
        found[f"{method}.mean"] = round(float(np.mean([s.mean() for s in shares.values()])), 4)
        for seed, share in shares.items():
            by_seed.setdefault(seed, {})[method] = float(share.mean())
    found["seeds"] = len(by_seed)
    for name, methods in (("as_used", AS_USED), ("all", tuple(by_seed["0"]))):
        found[f"seeds_{BEST}_is_best_of_{name}"] = sum(
            means.get(BEST) == max(means[method] for method in methods if method in means)
            for means in by_seed.values()
        )
    return found


def curves_of(report: dict[str, Any]) -> dict[str, dict[str, list[list[float]]]]:
    """Each method's curve under each seed."""
    curves: dict[str, dict[str, list[list[float]]]] = {}
    for key, cell in report["cells"].items():
        method, seed = key.split(".")
        curves.setdefault(method, {})[seed] = cell["curve"]
    return curves


def at(curve: list[list[float]], grid: NDArray[Any]) -> NDArray[Any]:
    """The share at each number of epochs."""
    epochs, shares = np.array(curve).T
    found: NDArray[Any] = shares[np.searchsorted(epochs, grid, side="right") - 1]
    return found


def plot(report: dict[str, Any], file: Path) -> None:
    """The mean over seeds."""
    figure, panel = plt.subplots(figsize=(7, 4.5))
    grid = np.arange(report["epochs"] + 1)
    for method, curves in curves_of(report).items():
        line = "--" if method.endswith("_random") else "-"
        values = np.mean([at(curve, grid) for curve in curves.values()], axis=0)
        panel.plot(grid, values, line, label=method, drawstyle="steps-post")
    panel.set(xlabel="epochs of training", ylabel="share of the table's hypervolume")
    panel.set_ylim(bottom=0.7)
    panel.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    plt.close(figure)
