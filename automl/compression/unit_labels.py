"""Labels of units: which entries of a module's tensors can only go together, and which must stay.

Each entry along each dimension of a tensor has a label, a number. Labels that meet in a
calculation are joined: their entries are of one unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Labels: TypeAlias = NDArray[np.int64]
"""The labels along a dimension, one for each entry; FREE where an entry goes with anything."""

Dims: TypeAlias = list[Labels | None]
"""The labels of each dimension of a tensor; None where all entries of one are free."""

DATA = 0
"""The label of what the rows bring: batch, positions, channels of the input. It always stays."""

FREE = -1

READS_ROWS = "it reads the rows themselves"
ANSWERS = "its units are the answers"
_WEAK = ("", READS_ROWS)
"""Reasons that any other outdoes; ANSWERS outdoes all."""


class UnitLabels:
    """Labels, joined and fixed as one call of a module shows."""

    def __init__(self) -> None:
        self._parents = np.zeros(1, dtype=np.int64)
        self._fixed = {DATA: READS_ROWS}

    def new(self, count: int) -> Labels:
        """Labels that nothing has met yet."""
        first = len(self._parents)
        labels = np.arange(first, first + count)
        self._parents = np.concatenate([self._parents, labels])
        return labels

    def roots(self, labels: Labels) -> Labels:
        """The label that stands for all that each was joined with; FREE stays."""
        found: Labels = np.where(labels < 0, FREE, self._parents[labels])
        while True:
            above = np.where(found < 0, FREE, self._parents[found])
            if np.array_equal(above, found):
                return found
            self._parents[labels[labels >= 0]] = above[labels >= 0]
            found = above

    def join(self, first: Labels, second: Labels) -> None:
        """Join labels entry by entry. What meets the rows' own dimensions stays."""
        ours, theirs = self.roots(first), self.roots(second)
        for a, b in np.unique(np.stack([ours, theirs], 1)[ours != theirs], axis=0).tolist():
            if min(a, b) == FREE:
                continue
            if min(a, b) == DATA:
                self._fix_root(max(a, b), READS_ROWS)
                continue
            root, other = self._root(a), self._root(b)
            if root != other:
                self._parents[other] = root
                if other in self._fixed:
                    self._fix_root(root, self._fixed.pop(other))

    def fix(self, labels: Labels | None, reason: str) -> None:
        """Have units stay, for a reason."""
        if labels is not None:
            for root in np.unique(self.roots(labels)).tolist():
                if root > DATA:
                    self._fix_root(root, reason)

    def reason(self, root: int) -> str | None:
        """The reason why a unit stays; None where it need not."""
        return self._fixed.get(root)

    def _root(self, label: int) -> int:
        while self._parents[label] != label:
            label = int(self._parents[label])
        return label

    def _fix_root(self, root: int, reason: str) -> None:
        root = self._root(root)
        if reason == ANSWERS or self._fixed.get(root, "") in _WEAK:
            self._fixed[root] = reason or self._fixed.get(root, "")


def is_data(labels: Labels | None) -> bool:
    """Tell if a dimension has no units of a layer: it is free, or the rows' own."""
    return labels is None or bool((labels <= DATA).all())


def data(size: int) -> Labels:
    """The labels of a dimension that is the rows' own."""
    return np.zeros(size, dtype=np.int64)


def merged(first: Labels | None, second: Labels | None) -> Labels | None:
    """The labels of a dimension of which two tensors know some."""
    if first is None or second is None:
        return second if first is None else first
    return np.where(first > DATA, first, np.maximum(first, second))


def join_all(units: UnitLabels, known: Iterable[Labels | None]) -> Labels | None:
    """Join the labels of one dimension of several tensors, and give what all know of it."""
    result: Labels | None = None
    for labels in known:
        if labels is not None and result is not None:
            units.join(result, labels)
        result = merged(result, labels)
    return result


def reshaped(
    units: UnitLabels, dims: Dims, old: Sequence[int], new: Sequence[int], outer: bool
) -> Dims:
    """The labels after a view of a tensor of shape `old` as one of shape `new`.

    Where units are spread over several dimensions, those of one row of a single dimension are
    joined: of the last but one, or with `outer` false of the last.
    """
    if math.prod(old) == 0:
        return [None for _ in new]
    result: Dims = []
    for these, those in _matching(old, new):
        flat = _flattened(units, [dims[i] for i in these], [old[i] for i in these])
        result += _unflattened(units, flat, [new[i] for i in those], outer)
    return result


def _matching(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The dimensions before and after that hold the same entries, the least of each at a time."""
    pairs, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        these, those = [*range(len(old))][i : i + 1], [*range(len(new))][j : j + 1]
        left, right = math.prod(old[i : i + 1]), math.prod(new[j : j + 1])
        i, j = i + 1, j + 1
        while left != right:
            if left < right:
                these, left, i = [*these, i], left * old[i], i + 1
            else:
                those, right, j = [*those, j], right * new[j], j + 1
        pairs.append((these, those))
    return pairs


def _flattened(units: UnitLabels, dims: Dims, sizes: list[int]) -> Labels | None:
    """The labels of several dimensions as one. Of dimensions with units of their own the last
    keeps them, and the others stay."""
    own = [i for i, labels in enumerate(dims) if not is_data(labels)]
    for i in own[:-1]:
        units.fix(dims[i], "its units are numbered together with others")
    if not own:
        known = any(labels is not None for labels in dims)
        return data(math.prod(sizes)) if known else None
    labels = dims[own[-1]]
    assert labels is not None
    return _along(labels, own[-1], sizes).reshape(-1)


def _unflattened(units: UnitLabels, flat: Labels | None, sizes: list[int], outer: bool) -> Dims:
    """The labels of one dimension as several."""
    if flat is None:
        return [None for _ in sizes]
    wide = [i for i, size in enumerate(sizes) if size > 1]
    empty: Dims = [None if size == 1 else data(size) for size in sizes]
    if is_data(flat) or not wide:
        return empty
    table = units.roots(flat).reshape(sizes)
    for axis in wide:
        first = np.take(table, [0], axis=axis)
        rest = table[tuple(slice(None) if i == axis else slice(0, 1) for i in range(len(sizes)))]
        if first.size and np.array_equal(np.broadcast_to(rest, sizes), table):
            empty[axis] = rest.reshape(-1)
            return empty
    axis = wide[-2] if outer else wide[-1]
    rows = np.moveaxis(table, axis, 0).reshape(sizes[axis], -1)
    for column in range(1, rows.shape[1]):
        units.join(rows[:, 0], rows[:, column])
    empty[axis] = rows[:, 0]
    return empty


def _along(labels: Labels, axis: int, sizes: Sequence[int]) -> Labels:
    """Labels of one dimension at each entry of all."""
    shape = [len(labels) if i == axis else 1 for i in range(len(sizes))]
    return np.broadcast_to(labels.reshape(shape), sizes)
