"""A rung: the entries of trials at the same epoch of the same step, ranked by all objectives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl.study.rung_state import Entry

WINDOW = 200
"""The last entries that a rung compares: what is usual rises as a search goes on."""
SHARE = 3
"""Of this many entries, one goes on."""
FREE = 3
"""The entries that go on whatever they reach. With eight of them the rule gained next to nothing
where there was time for 20 whole trainings (`tests/benchmarks/stop_rule_long.py`)."""


class Rung:
    """The entries of a rung, and which of them go on.

    They are ordered by non-dominated rank, then by crowding (Deb 2002,
    https://doi.org/10.1109/4235.996017). An entry that breaks a constraint comes after all that
    break none, by how much. Equal entries are ordered by their keys, so that the order in which
    they came does not matter. Differences within the noise count, unlike on the front: most of a
    rung has to wait, and on the table of digits no coarser order was consistently better.
    """

    def __init__(self, free: int = FREE) -> None:
        self.free = free
        self.added = 0
        self.rows: dict[str, int] = {}
        self._best: set[str] | None = set()
        # By row: the newest entry takes that of the oldest.
        self._keys: NDArray[np.object_] = np.empty(WINDOW, object)
        self._values: NDArray[np.float64] = np.empty((0, 0))
        self._better: NDArray[np.bool_] = np.zeros((WINDOW, WINDOW), bool)
        self._num_better: NDArray[np.int64] = np.zeros(WINDOW, np.int64)

    def __len__(self) -> int:
        return min(self.added, WINDOW)

    def add(self, entry: Entry) -> None:
        """Enter one of a new key."""
        values = np.array([-entry.violation, *entry.values])
        if not self.added:
            self._values = np.empty((WINDOW, len(values)))
        count, row = len(self), self.added % WINDOW
        before, after = _better(self._values[:count], values)
        if count == WINDOW:
            del self.rows[self._keys[row]]
            self._num_better -= self._better[row]
            before[row] = after[row] = False
        self._better[:count, row], self._better[row, :count] = before, after
        self._num_better[:count] += after
        self._num_better[row] = np.count_nonzero(before)
        self._keys[row], self._values[row], self.rows[entry.key] = entry.key, values, row
        self.added += 1
        self._best = None

    def best(self) -> set[str]:
        """The keys that go on: one in SHARE, rounded up, and `free` of them at least."""
        if self._best is None:
            wanted = min(len(self), max(self.free, -(-len(self) // SHARE)))
            self._best = set(self._keys[self._first(wanted)].tolist())
        return self._best

    def dominates(self, key: str) -> set[str]:
        """The keys of the entries that the entry of `key` dominates; none when that is gone."""
        row = self.rows.get(key)
        return set() if row is None else set(self._keys[self._better[row]].tolist())

    def _first(self, wanted: int) -> list[int]:
        """The rows of the best: whole ranks, then of the next rank those with most room around."""
        betters = self._num_better[: len(self)].copy()
        found: list[int] = []
        while len(found) < wanted:
            rank = np.flatnonzero(betters == 0)
            missing = wanted - len(found)
            if len(rank) > missing:
                return found + self._roomiest(rank, missing)
            found += rank.tolist()
            betters -= self._better[rank, : len(self)].sum(0)
            betters[rank] = -1
        return found

    def _roomiest(self, rank: NDArray[np.intp], wanted: int) -> list[int]:
        room = crowding(self._values[rank, 1:])
        least = np.sort(room)[-wanted]
        found: list[int] = rank[room > least].tolist()
        equal = sorted(rank[room == least].tolist(), key=self._tie)
        return found + equal[: wanted - len(found)]

    def _tie(self, row: int) -> tuple[tuple[float, ...], str]:
        return tuple((-self._values[row, 1:]).tolist()), self._keys[row]


def crowding(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row's distance between its neighbours, summed over the axes; infinite at an end.

    `values` are (rows, axes), the distances (rows,). Equal rows all get what one of them would.
    """
    by_value = np.lexsort(values.T)
    is_new = np.ones(len(values), bool)
    is_new[1:] = (values[by_value[1:]] != values[by_value[:-1]]).any(1)
    unique, positions = values[by_value[is_new]], np.empty(len(values), int)
    positions[by_value] = is_new.cumsum() - 1
    axes = np.arange(unique.shape[1])
    order = np.argsort(unique, axis=0, kind="stable")
    ordered = unique[order, axes]
    span = ordered[-1] - ordered[0]
    room, differs = np.zeros_like(unique), span > 0
    room[order[1:-1], axes] = (ordered[2:] - ordered[:-2]) / np.where(differs, span, 1.0)
    room[order[[0, -1]], axes] = np.where(differs, np.inf, 0.0)
    found: NDArray[np.float64] = room.sum(1)[positions]
    return found


def _better(
    rows: NDArray[np.float64], row: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of the rows that dominate `row`, and of those that `row` dominates, (rows,) each.

    The columns are -violation, then the values. Between two rows of which one breaks the
    constraints by more, only that counts.
    """
    above, below = rows > row, rows < row
    up, down = above[:, 1:].any(1), below[:, 1:].any(1)
    ruled = above[:, 0] | below[:, 0]
    return (
        np.where(ruled, above[:, 0], up & ~down),
        np.where(ruled, below[:, 0], down & ~up),
    )
