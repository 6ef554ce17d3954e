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
        self.added = 0
        self.places: dict[str, int] = {}
        self._best: set[str] | None = set()
        # By place: the newest entry takes that of the oldest.
        self._keys: NDArray[np.object_] = np.empty(WINDOW, object)
        self._values: NDArray[np.float64] = np.empty((0, 0))
        self._better: NDArray[np.bool_] = np.zeros((WINDOW, WINDOW), bool)
        self._num_better: NDArray[np.int64] = np.zeros(WINDOW, np.int64)

    def __len__(self) -> int:
        return min(self.added, WINDOW)

    def add(self, entry: Entry) -> None:
        """Enter one of a new key."""
        row = np.array([-entry.violation, *entry.values])
        if not self.added:
            self._values = np.empty((WINDOW, len(row)))
        count, place = len(self), self.added % WINDOW
        before, after = _better(self._values[:count], row)
        if count == WINDOW:
            del self.places[self._keys[place]]
            self._num_better -= self._better[place]
            before[place] = after[place] = False
        self._better[:count, place], self._better[place, :count] = before, after
        self._num_better[:count] += after
        self._num_better[place] = np.count_nonzero(before)
        self._keys[place], self._values[place], self.places[entry.key] = entry.key, row, place
        self.added += 1
        self._best = None

    def best(self) -> set[str]:
        """The keys that go on: one in SHARE, rounded up, and `free` of them at least."""
        if self._best is None:
            wanted = min(len(self), max(self.free, -(-len(self) // SHARE)))
            self._best = set(self._keys[self._first(wanted)].tolist())
        return self._best

    def dominates(self, key: str) -> set[str]:
        """The keys of the entries that the one of `key` dominates; none when that one is gone."""
        place = self.places.get(key)
        return set() if place is None else set(self._keys[self._better[place]].tolist())

    def _first(self, wanted: int) -> list[int]:
        """The places of so many: whole ranks, then of the next those with most room around them."""
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

    def _tie(self, place: int) -> tuple[tuple[float, ...], str]:
        return tuple((-self._values[place, 1:]).tolist()), self._keys[place]


def crowding(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row's distance between its neighbours, summed over the axes; at an end, infinite.

    Equal rows share one place: all of them get what the one would.
    """
    by_value = np.lexsort(values.T)
    is_new = np.ones(len(values), bool)
    is_new[1:] = (values[by_value[1:]] != values[by_value[:-1]]).any(1)
    unique, places = values[by_value[is_new]], np.empty(len(values), int)
    places[by_value] = is_new.cumsum() - 1
    axes = np.arange(unique.shape[1])
    order = np.argsort(unique, axis=0, kind="stable")
    ordered = unique[order, axes]
    span = ordered[-1] - ordered[0]
    room, says = np.zeros_like(unique), span > 0
    room[order[1:-1], axes] = (ordered[2:] - ordered[:-2]) / np.where(says, span, 1.0)
    room[order[[0, -1]], axes] = np.where(says, np.inf, 0.0)
    found: NDArray[np.float64] = room.sum(1)[places]
    return found


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
