"""What the cells of `stop_rule_long.py` say: shares of hypervolume over epochs, rules beside none."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np


def summary(report: dict[str, Any]) -> dict[str, float]:
    return {}


def means(report: dict[str, Any]) -> dict[str, dict[str, dict[int, tuple[float, float]]]]:
    """Of each table and method, each seed's mean share over the course, and the share at the end."""
    found: dict[str, Any] = defaultdict(lambda: defaultdict(dict))
    for key, cell in report["cells"].items():
        table, method, seed = key.split(".")
        budget = report["full_trainings"] * report["tables"][table]["epochs"]
        epochs, shares = np.array([*cell["curve"], (budget, 0.0)]).T
        lengths = np.diff(epochs.clip(max=budget))
        mean = float((lengths * shares[:-1]).sum() / budget)
        found[table][method][int(seed)] = mean, cell["curve"][-1][1]
    return found
