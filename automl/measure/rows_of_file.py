"""Rows with targets, put as a file takes them: in its shape, with its columns and classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from automl.data.arrays import Array
from automl.data.raw_dataset import Column
from automl.errors import UserError, described, unknown
from automl.measure.whole_file import check_one_input, loaded
from automl.runtimes import onnx
from automl.runtimes.metadata import metadata
from automl.runtimes.onnx import Session

MOST_NAMED = 5
LEAST = np.log(np.finfo(np.float32).tiny)
"""The logarithm of the least probability."""


@dataclass(frozen=True, eq=False)
class TargetRows:
    """Rows whose targets are known: `inputs` (rows, *raw row), `targets` class numbers (rows,), or
    numbers (rows, outputs). `source` names the data in a sentence. `left_out` are columns that are
    there and were not read: of those that a file takes, the ones without any value. `notes` are
    sentences on how the rows were put."""

    source: str
    inputs: Array
    targets: Array
    classes: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def fitting(path: Path, rows: TargetRows) -> TargetRows:
    """The rows as a file takes them. Raises UserError where it takes others, or answers otherwise
    than their targets are."""
    session = loaded(path)
    told = metadata(session)
    if told.columns:
        fit = replace(rows, inputs=_in_columns(path, rows, told.columns))
    else:
        fit = _in_shape(path, rows, session)
    if told.classes and rows.classes:
        fit = replace(fit, targets=_in_classes(path, rows, told.classes), classes=told.classes)
    _check_answers(path, fit, session)
    return fit


def answers(path: Path, rows: TargetRows, session: Session) -> Array:
    """The answers (rows, outputs) of a file to all rows, which fit it; a logarithm of 0 becomes
    that of the least probability. Raises UserError where a row has none that is finite."""
    try:
        given = onnx.run(session, rows.inputs)
        best = given.max(1, keepdims=True)
        missing = np.flatnonzero(~np.isfinite(best if rows.classes else given).all(1))
    except Exception as error:
        raise _cannot_answer(path, rows, error) from None
    if len(given) != len(rows.inputs):
        raise UserError(
            f"{path} gives {len(given)} answers to the {len(rows.inputs)} rows of {rows.source}; "
            "its first output must have a row for each row of its input"
        )
    if len(missing):
        raise UserError(
            f"{path} answers row {missing[0]} of {rows.source} with numbers that are not finite"
        )
    completed: Array = np.where(np.isneginf(given), best + LEAST, given)
    return completed


def _cannot_answer(path: Path, rows: TargetRows, error: Exception) -> UserError:
    return UserError(f"{path} cannot answer the rows of {rows.source}: {described(error)}")


def _in_columns(path: Path, rows: TargetRows, columns: dict[str, list[str]]) -> Array:
    """The columns that a file of ours names, in its order, with the numbers of its categories."""
    own = {column.name: place for place, column in enumerate(rows.columns)}
    made: list[Array] = []
    for name, categories in columns.items():
        if name in rows.left_out:
            made.append(np.full(len(rows.inputs), np.nan, np.float32))
            continue
        if name not in own:
            raise UserError(f"{path} takes {unknown('column', name, list(own))} of {rows.source}")
        values = rows.inputs[:, own[name]]
        theirs = rows.columns[own[name]].categories
        if bool(theirs) != bool(categories):
            kinds = "categories", "numbers"
            raise UserError(
                f"{path} takes {kinds[not categories]} in the column {name!r}, and {rows.source} "
                f"holds {kinds[not theirs]} there"
            )
        made.append(_renumbered(values, theirs, categories) if categories else values)
    return np.stack(made, axis=1)


def _renumbered(values: Array, theirs: Sequence[str], categories: Sequence[str]) -> Array:
    """Codes of categories under another numbering; NaN where the category is not known in it."""
    places = {name: place for place, name in enumerate(categories)}
    codes = np.array([*(places.get(name, np.nan) for name in theirs), np.nan], np.float32)
    renumbered: Array = codes[np.where(np.isnan(values), len(theirs), values).astype(int)]
    return renumbered


def _in_shape(path: Path, rows: TargetRows, session: Session) -> TargetRows:
    """The rows in the shape in which a file takes them."""
    check_one_input(path, session)
    takes = session.get_inputs()
    shape, own = tuple(takes[0].shape[1:]), rows.inputs.shape[1:]
    if onnx.agree(shape, own):
        return rows
    if _is_same_order(shape, own):
        return replace(rows, inputs=rows.inputs.reshape(len(rows.inputs), *shape))
    if onnx.agree(shape, (*own[1:], *own[:1])):
        told = "channels are put last in its rows, as the file takes them"
        return replace(rows, inputs=np.moveaxis(rows.inputs, 1, -1), notes=(told,))
    if takes[0].type == "tensor(int64)" and len(shape) == len(own) == 1:
        return replace(rows, inputs=_padded(rows.inputs, onnx.row_shape(session)[0]))
    raise UserError(f"{path} takes rows of shape {shape}, and those of {rows.source} have {own}")


def _is_same_order(stated: Sequence[int | str | None], own: Sequence[int]) -> bool:
    """Tell if rows have a stated shape when they are read in their order: dimensions of 1 aside
    the two are equal, or hold as many numbers, and one of them is flat."""
    sizes = [size for size in stated if isinstance(size, int)]
    others, theirs = ([size for size in one if size != 1] for one in (sizes, own))
    is_flat = min(len(others), len(theirs)) < 2 and math.prod(others) == math.prod(theirs)
    return len(sizes) == len(stated) and (others == theirs or is_flat)


def _padded(inputs: Array, length: int) -> Array:
    """Texts (rows, bytes), cut or padded to a length."""
    kept = inputs[:, :length]
    return np.pad(kept, ((0, 0), (0, length - kept.shape[1])))


def _in_classes(path: Path, rows: TargetRows, classes: Sequence[str]) -> Array:
    """The numbers of the targets' classes in a file that names its own."""
    met = [rows.classes[number] for number in np.unique(rows.targets)]
    if missing := [name for name in met if name not in classes]:
        known = ", ".join(classes[:MOST_NAMED]) + ", …" * (len(classes) > MOST_NAMED)
        raise UserError(
            f"{rows.source} holds the class {missing[0]!r}, which {path} does not know; it knows "
            f"{known}"
        )
    places = [classes.index(name) if name in classes else -1 for name in rows.classes]
    return np.asarray(places, np.int64)[rows.targets]


def _check_answers(path: Path, rows: TargetRows, session: Session) -> None:
    """Raise UserError where a file cannot answer, or its answers are not of the targets' kind."""
    try:
        first = onnx.run(session, rows.inputs[:1])
    except Exception as error:
        raise _cannot_answer(path, rows, error) from None
    wanted = len(rows.classes) or rows.targets.shape[1]
    if first.shape != (1, wanted):
        what = f"{wanted} classes" if rows.classes else f"{wanted} numbers to predict"
        raise UserError(
            f"{path} answers a row with an array of shape {first.shape[1:]}, and {rows.source} "
            f"has {what}; its first output must be (rows, {wanted})"
        )
