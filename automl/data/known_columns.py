"""Tables read for a model that names the columns it takes, whatever they hold."""

from __future__ import annotations

from collections.abc import Collection

from automl.data import table_file
from automl.data.column_facts import facts_of
from automl.data.detect_table import target_in
from automl.data.detected import Wanted
from automl.data.reading import listed
from automl.data.table import Table
from automl.errors import UserError


def table_with(path: str, wanted: Wanted, columns: Collection[str]) -> Table:
    """The table at a path with its target and those of the columns that hold a value.

    Raises UserError where the target cannot be told, or none of the columns holds anything.
    """
    read = table_file.read(path).columns
    others = {name: facts_of(name, cells) for name, cells in read.items() if name not in columns}
    if not others:
        raise UserError(
            f"{path} has no column beside those that the model takes; add one with the target"
        )
    target = wanted.target or (next(iter(others)) if len(others) == 1 else "")
    target, _ = target_in(path, others, target)
    held = {name for name in columns if name in read and not read[name].missing().all()}
    if not held:
        raise UserError(
            f"{path} holds nothing in the columns that the model takes: {listed([*columns])}; it "
            f"has {listed([*read])}"
        )
    drop = tuple(name for name in read if name not in (*held, target))
    return Table(path, target, task=wanted.task, drop=drop)
