"""One rung: what trials reached at the same epoch of the same step, best first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW = 200
"""A rung compares the last so many entries: what is usual rises as a search goes on."""
SHARE = 2
"""One in so many goes on."""
FREE = 8
"""So many go on whatever they reach: fewer say nothing of what is usual."""


@dataclass(frozen=True)
class Entry:
    """What a trial had reached: `values` on the axes, more is better, and by how much it breaks
    the constraints. `key` is that of the prefix in the making: one entry each."""

    key: str
    values: tuple[float, ...]
    violation: float = 0.0


class Rung:
    """Its entries, and which of them go on: by non-dominated rank, then by crowding (Deb 2002).

    What breaks a constraint comes after all that breaks none, by how much. Equal entries
    are ordered by their keys, so that it does not matter which came first.
    """

    def __init__(self, free: int = FREE) -> None:
        self.free = free
        self.entries: list[Entry] = []
        self._best: set[str] | None = set()
        self._values: NDArray[np.float64] = np.empty((0, 0))
        self._better: NDArray[np.bool_] = np.empty((0, 0), bool)
        self._num_better: NDArray[np.int64] = np.empty(0, np.int64)

    def add(self, entry: Entry) -> None:
        """Enter one of a new key."""
        row = np.array([[-entry.violation, *entry.values]])
        if not self.entries:
            self._values, self._better = row, np.zeros((1, 1), bool)
            self._num_better = np.zeros(1, np.int64)
        else:
            before, after = _better(self._values, row)
            count = len(self.entries)
            wider = np.zeros((count + 1, count + 1), bool)
            wider[:-1, :-1], wider[:-1, -1], wider[-1, :-1] = self._better, before, after
            self._better, self._num_better = (
                wider,
                np.append(self._num_better + after, before.sum()),
            )
            self._values = np.concatenate([self._values, row])
        self.entries.append(entry)
        if len(self.entries) > WINDOW:
            del self.entries[0]
            self._num_better = (self._num_better - self._better[0])[1:]
            self._values, self._better = self._values[1:], self._better[1:, 1:]
        self._best = None

    def best(self) -> set[str]:
        """The keys that go on: one in SHARE, rounded up, and `free` of them at least."""
        if self._best is None:
            wanted = min(len(self.entries), max(self.free, -(-len(self.entries) // SHARE)))
            self._best = {self.entries[i].key for i in self._first(wanted)}
        return self._best

    def dominates(self, key: str) -> set[str]:
        """The keys of the entries that the one of `key` dominates; none when that one is gone."""
        for position in reversed(range(len(self.entries))):
            if self.entries[position].key == key:
                found = np.flatnonzero(self._better[position]).tolist()
                return {self.entries[i].key for i in found}
        return set()

    def _first(self, wanted: int) -> list[int]:
        """Positions of so many: whole ranks, then of the next those with most room around them."""
        betters = self._num_better.copy()
        found: list[int] = []
        while len(found) < wanted:
            rank = np.flatnonzero(betters == 0)
            missing = wanted - len(found)
            found += rank.tolist() if len(rank) <= missing else self._roomiest(rank, missing)
            betters = betters - self._better[rank].sum(0)
            betters[rank] = -1
        return found

    def _roomiest(self, rank: NDArray[np.intp], wanted: int) -> list[int]:
        room = crowding(self._values[rank, 1:])
        least = np.sort(room)[-wanted]
        found: list[int] = rank[room > least].tolist()
        equal = sorted(rank[room == least].tolist(), key=self._tie)
        return found + equal[: wanted - len(found)]

    def _tie(self, position: int) -> tuple[tuple[float, ...], str]:
        entry = self.entries[position]
        return tuple(-value for value in entry.values), entry.key


def crowding(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row's distance between its neighbours, summed over the axes; at an end, infinite.

    Equal rows share one place: all of them get what the one would.
    """
    by_value = np.lexsort(values.T)
    is_new = np.ones(len(values), bool)
    is_new[1:] = (values[by_value[1:]] != values[by_value[:-1]]).any(1)
    unique, places = values[by_value[is_new]], np.empty(len(values), int)
    places[by_value] = is_new.cumsum() - 1
    room = np.zeros(len(unique))
    for axis in range(unique.shape[1]):
        order = np.argsort(unique[:, axis], kind="stable")
        sorted_values = unique[order, axis]
        span = sorted_values[-1] - sorted_values[0]
        if span == 0:
            continue
        room[order[1:-1]] += (sorted_values[2:] - sorted_values[:-2]) / span
        room[order[[0, -1]]] = np.inf
    return room[places]


def _better(
    rows: NDArray[np.float64], row: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows dominate the one row, and which it does; columns are: -violation, values.

    Between two of which one breaks the constraints by more, only that counts.
    """
    above, below = rows > row, rows < row
    up, down = above[:, 1:].any(1), below[:, 1:].any(1)
    ruled = above[:, 0] | below[:, 0]
    return (
        np.where(ruled, above[:, 0], up & ~down),
        np.where(ruled, below[:, 0], down & ~up),
    )
