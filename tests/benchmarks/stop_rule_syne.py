"""Syne Tune's rule for several objectives, written anew for our rungs.

MO-ASHA (Schmucker, Donini, Zafar, Salinas, Archambeau 2021, https://arxiv.org/abs/2106.12639): one
in three goes on at each rung, by non-dominated rank, then spread out over the rank: after the best
in accuracy always the one farthest from those before it. What stops does not go on later.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.study.rung_state import Entry, RungName, RungState
from automl.study.stopping.stop_rule import StopRule, _Paused
from automl.study.trial_id import TrialId

SHARE = 3


class SyneRule(StopRule):
    """It keeps each rung's entries, and compares a trial with those that came before."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[RungName, dict[str, Entry]] = {}

    def goes_on(
        self, trial: TrialId, name: RungName | None = None, entry: Entry | None = None
    ) -> bool:
        if name is None or entry is None:
            return True
        rung = self.entries.setdefault(name, {})
        if entry.key in rung:
            return True
        rung[entry.key] = entry
        if len(rung) < SHARE:
            return True
        order = sorted_by_rank(np.array([one.values for one in rung.values()]))
        if order.index(len(rung) - 1) < len(rung) / SHARE:
            return True
        self.paused[trial] = _Paused(name, {name: entry.key})
        return False

    def to_resume(self) -> TrialId | None:
        return None

    def state(self, trial: TrialId) -> RungState:
        return RungState()


def sorted_by_rank(values: NDArray[Any]) -> list[int]:
    """Positions of rows (n, axes), more is better: whole ranks, each spread out."""
    left, order = np.arange(len(values)), list[int]()
    while len(left):
        points = values[left]
        as_good = (points[:, None] >= points).all(axis=2)
        first = ~(as_good & ~as_good.T).any(axis=0)
        order += left[first][spread_out(points[first])].tolist()
        left = left[~first]
    return order


def spread_out(points: NDArray[Any]) -> list[int]:
    """Positions of rows: the best on the first axis, then always the farthest from those before."""
    order = [int(points[:, 0].argmax())]
    nearest = np.full(len(points), np.inf)
    while len(order) < len(points):
        nearest = np.minimum(nearest, np.linalg.norm(points - points[order[-1]], axis=1))
        nearest[order] = -1.0
        order.append(int(nearest.argmax()))
    return order
