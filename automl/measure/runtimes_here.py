"""The runtimes of a search that the machine here has, for files that are timed beside it later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from automl.errors import UserError
from automl.measure.latency import Reference, alone


class RuntimesHere(NamedTuple):
    """References on runtimes of ONNX files that are here, by their names, and a sentence for each
    that is not. The first, whose figures have plain names, is one thread by itself where the
    search's is not here."""

    beside: dict[str, Reference]
    notes: list[str]
    has_first: bool


def runtimes_here(beside: Mapping[str, Reference]) -> RuntimesHere:
    """The references of a search that files can be timed beside on this machine."""
    found, notes, has_first = dict[str, Reference](), list[str](), True
    for name, reference in beside.items():
        if reference.runtime.format:
            continue
        try:
            reference.runtime.check_here()
        except UserError as missing:
            if found:
                notes.append(f"{missing}; figures on {name} are left out")
                continue
            notes.append(
                f"{missing}; latency_ms and load_ms are of one thread here, unlike the search's"
            )
            reference, has_first = alone(), False
        found[name] = reference
    return RuntimesHere(found, notes, has_first)
