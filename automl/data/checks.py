"""Checks of raw rows: values that cannot be learned from are told with the row."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from automl.data.arrays import Array, chunks
from automl.data.raw_dataset import RawDataset
from automl.data.reading import check_unicode, shown
from automl.errors import UserError

MIN_ROWS = 10
MAX_NAMED_ROWS = 5


def check(source: str, raw: RawDataset) -> None:
    """Raise UserError, naming the source, on rows that cannot be learned from."""
    if raw.num_learned < MIN_ROWS:
        raise UserError(
            f"{source}: it has {raw.num_learned} rows to learn from; at least {MIN_ROWS} are needed"
        )
    check_rows(source, raw)
    _check_pictures(source, raw)
    if raw.classes:
        _check_classes(source, raw)
    else:
        _check_outputs(source, raw.targets[: raw.num_learned])


def check_rows(source: str, raw: RawDataset) -> None:
    """Raise UserError, naming the source, on names, values and labels that cannot be true."""
    _check_names(source, raw)
    _check_finite(source, raw)
    if raw.classes:
        _check_labels(source, raw)


def _check_names(source: str, raw: RawDataset) -> None:
    for kind, names in (("class", raw.classes), ("column", [c.name for c in raw.columns])):
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise UserError(f"{source}: it names the {kind} {twice[0]!r} twice; rename one")
        for name in names:
            check_unicode(name, f"{source}: the name of {kind} {name!r}")


def _check_finite(source: str, raw: RawDataset) -> None:
    for name, values in (("inputs", raw.inputs), ("targets", raw.targets)):
        columns = raw.columns if name == "inputs" else ()
        # A missing value of a table is NaN.
        bad = np.isinf if columns else lambda piece: ~np.isfinite(piece)
        for rows in chunks(values) if values.dtype.kind == "f" else ():
            if (found := np.argwhere(bad(values[rows]))).size:
                row, *within = found[0].tolist()
                where = f" of column {columns[within[0]].name!r}" if columns else ""
                raise UserError(
                    f"{source}: {raw.row_name(rows.start + row)}{where} holds a value that is not "
                    f"finite among its {name}; remove or fill it"
                )


def _check_pictures(source: str, raw: RawDataset) -> None:
    """Raise UserError where all pictures are one plain one; the first that is not ends the look."""
    if raw.inputs.dtype != np.uint8 or len(raw.input_shape) != 3 or not raw.inputs.size:
        return
    colour = raw.inputs[0].reshape(raw.input_shape)[:, :1, :1]
    pieces = (raw.inputs[rows].reshape(-1, *raw.input_shape) for rows in chunks(raw.inputs))
    if all((piece == colour).all() for piece in pieces):
        raise UserError(
            f"{source}: all pictures are plain, of the one colour {colour.ravel().tolist()}; give "
            "pictures that differ, and white drawings on a transparent ground a dark one, since "
            "what is transparent counts as white"
        )


def _check_outputs(source: str, targets: Array) -> None:
    constant = np.flatnonzero((targets == targets[0]).all(0))
    if constant.size:
        which = f" in output {constant[0]} (counted from 0)" if targets.shape[1] > 1 else ""
        raise UserError(
            f"{source}: the target is the same in every row to learn from{which}; "
            "choose one that differs"
        )


def _check_labels(source: str, raw: RawDataset) -> None:
    names, targets = raw.classes, raw.targets
    if (outside := np.flatnonzero((targets < 0) | (targets >= len(names)))).size:
        row = int(outside[0])
        raise UserError(
            f"{source}: {raw.row_name(row)} has the label {targets[row]}, "
            f"outside 0 to {len(names) - 1}; correct or remove it"
        )


def _check_classes(source: str, raw: RawDataset) -> None:
    names, targets = raw.classes, raw.targets
    if len(names) < 2:
        raise UserError(f"{source}: there is only the class {names[0]!r}; two are needed")
    if len(names) > max(2, len(targets) / 2):
        raise UserError(
            f"{source}: there are {len(names)} different labels in {len(targets)} rows, such as "
            f"{shown(names[0])}; classes repeat: choose another target"
        )
    learned = targets[: raw.num_learned]
    counts = np.bincount(learned, minlength=len(names))
    least = 1 + (not raw.num_validation) + (not raw.num_test)
    if counts.min() < least:
        code = int(counts.argmin())
        rows = np.flatnonzero(learned == code)
        raise UserError(
            f"{source}: class {shown(names[code])} appears {counts.min()} times among the rows "
            f"to learn from ({_named(raw, rows)}); every class needs at least {least} rows, "
            f"one for each split{_spelled_alike(names, code)}"
        )
    own = targets[raw.num_learned : len(targets) - raw.num_test]
    if raw.num_validation and len(np.unique(own)) < len(names):
        code = int(np.bincount(own, minlength=len(names)).argmin())
        raise UserError(
            f"{source}: class {names[code]!r} has no row in the validation split; add some there"
        )


def _named(raw: RawDataset, rows: NDArray[np.int64]) -> str:
    named = [raw.row_name(row) for row in rows[:MAX_NAMED_ROWS].tolist()]
    return ", ".join(named + ["…"] * (len(rows) > MAX_NAMED_ROWS)) or "none"


def _spelled_alike(names: tuple[str, ...], code: int) -> str:
    """A hint at another class that is the same but for capitals, blanks or a last dot."""
    plain = [name.strip().rstrip(".").casefold() for name in names]
    twins = [n for i, n in enumerate(names) if i != code and plain[i] == plain[code]]
    return f"; is it {twins[0]!r}, spelled otherwise?" if twins else ""
