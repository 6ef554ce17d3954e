"""What the cells of `peers.py` say: hypervolume over seconds, and who reaches whose when.

Hypervolume is exact (moocore), on the ranges that all cells of a set share, over the objectives of
exported files. A ratio is the time at which ours reaches a peer's final hypervolume over the time
that the peer had, the median of the seeds in which the peer has any; it is null where ours does
not reach it in as much time, and then the share of it that ours has stands beside it.
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import moocore
import numpy as np
from numpy.typing import NDArray

from automl.pareto import Axis, front_positions, hypervolume

METHODS = ("ours", "ray_optuna", "ray_asha", "syne_moasha", "random")
Curve = list[tuple[float, float]]
"""Pairs of seconds and the hypervolume from then on."""


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """Flat: `SET.time_ratio_vs_PEER`, final hypervolumes, and how many trials were complete."""
    found: dict[str, Any] = {}
    for name, frozen in report["sets"].items():
        curves = curves_of(report, name)
        for method in METHODS[1:]:
            seeds = sorted(curves["ours"].keys() & curves[method].keys())
            pairs = [(curves["ours"][seed], curves[method][seed]) for seed in seeds]
            pairs = [(ours, peer) for ours, peer in pairs if final(peer)]
            if pairs:
                found |= _compared(f"{name}.{{}}_vs_{method}", pairs, frozen["seconds"])
        for method in METHODS:
            if curves[method]:
                last = [final(curve) for curve in curves[method].values()]
                complete = [len(curve) - 1 for curve in curves[method].values()]
                found[f"{name}.hypervolume_{method}"] = round(statistics.median(last), 4)
                found[f"{name}.complete_{method}"] = statistics.median(complete)
    return found


def _compared(key: str, pairs: list[tuple[Curve, Curve]], seconds: float) -> dict[str, Any]:
    ratios = [reached(ours, final(peer)) / seconds for ours, peer in pairs]
    ratio = statistics.median(ratios)
    if math.isfinite(ratio):
        return {key.format("time_ratio"): round(ratio, 3)}
    shares = [final(ours) / final(peer) for ours, peer in pairs]
    return {
        key.format("time_ratio"): None,
        key.format("final_share"): round(statistics.median(shares), 4),
    }


def curves_of(report: dict[str, Any], name: str) -> dict[str, dict[int, Curve]]:
    """Each method's curve under each seed."""
    frozen = report["sets"][name]
    axes = {axis: Axis(*values) for axis, values in frozen["axes"].items()}
    curves: dict[str, dict[int, Curve]] = {method: {} for method in METHODS}
    for key, cell in report["cells"].items():
        of_set, method, seed = key.split(".")
        if of_set == name:
            curves[method][int(seed)] = curve_of(cell["trials"], axes, frozen["seconds"])
    return curves


def curve_of(trials: list[dict[str, Any]], axes: dict[str, Axis], seconds: float) -> Curve:
    """One step for each complete trial that ended in time."""
    done = [t for t in trials if t["status"] == "complete" and t["seconds"] <= seconds]
    done.sort(key=lambda trial: float(trial["seconds"]))
    curve: Curve = [(0.0, 0.0)]
    for number, trial in enumerate(done, 1):
        points = [found["figures"] for found in done[:number]]
        front = [points[i] for i in front_positions(points, list(axes))]
        curve.append((trial["seconds"], volume(front, axes)))
    return curve


def volume(points: list[dict[str, float]], axes: dict[str, Axis]) -> float:
    """By moocore, and the same by our own."""
    coordinates = np.array([[axis.at(p[name]) for name, axis in axes.items()] for p in points])
    exact = float(moocore.hypervolume(coordinates, ref=np.zeros(len(axes)), maximise=True))
    assert abs(exact - hypervolume(points, axes)) < 1e-9
    return exact


def final(curve: Curve) -> float:
    return curve[-1][1]


def reached(curve: Curve, wanted: float) -> float:
    """The seconds at which a curve gets there; infinite when it does not."""
    return next((seconds for seconds, value in curve if value >= wanted), math.inf)


def plot(report: dict[str, Any], file: Path) -> None:
    """The median over seeds of each method's hypervolume, a panel for each set."""
    names = list(report["sets"])
    figure, panels = plt.subplots(1, len(names), figsize=(6 * len(names), 4), squeeze=False)
    for name, panel in zip(names, panels[0], strict=True):
        times = np.linspace(0, report["sets"][name]["seconds"], 400)
        for method, curves in curves_of(report, name).items():
            if curves:
                values = np.median([_at(curve, times) for curve in curves.values()], axis=0)
                panel.plot(times, values, label=method, drawstyle="steps-post")
        panel.set(title=name, xlabel="seconds", ylabel="hypervolume")
        panel.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=120)


def _at(curve: Curve, times: NDArray[Any]) -> NDArray[Any]:
    seconds, values = np.array(curve).T
    found: NDArray[Any] = values[np.searchsorted(seconds, times, side="right") - 1]
    return found
