"""`len(x)` in a user's code as a number that stays free in an exported file."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

OWN = ("torch", "automl")
"""Packages in whose code `len` stays Python's own."""


@contextmanager
def free_length(module: nn.Module) -> Iterator[None]:
    """Have `len` of a tensor be its `shape[0]` in the files that a module's classes come from.

    Python makes a plain number of what its own `len` gives, and so a file for that many rows
    only. A name in a file's globals goes before the builtin.
    """
    changed = [names for names in _globals(module) if "len" not in names]
    for names in changed:
        names["len"] = _length
    try:
        yield
    finally:
        for names in changed:
            del names["len"]


def _length(value: object) -> object:
    if isinstance(value, Tensor) and value.dim():
        return value.shape[0]
    return builtins.len(value)  # type: ignore[arg-type]


def _globals(module: nn.Module) -> list[dict[str, object]]:
    """The global names of each file in the packages that a module's classes come from."""
    classes = {cls for part in module.modules() for cls in type(part).__mro__}
    packages = {cls.__module__.split(".")[0] for cls in classes} - {*OWN, "builtins"}
    # A copy is made in one go: other threads import meanwhile.
    loaded = list(sys.modules.copy().items())
    return [vars(file) for name, file in loaded if name.split(".")[0] in packages]
