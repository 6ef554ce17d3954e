"""The formats in which a model can be taken away, beside the ONNX file that was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from automl.errors import UserError, unknown
from automl.export import executorch, litert, pt2, web
from automl.export.taken import Chosen, Made

ONNX, ALL = "onnx", "all"


@dataclass(frozen=True)
class Format:
    """A way to write a model: `make` gives its files, after `check` found what it needs.

    `make` raises Rejected on a model that cannot be written so. `check` raises UserError, with how
    to install what is missing.
    """

    make: Callable[[Chosen], Made]
    check: Callable[[], None] = lambda: None


FORMATS: dict[str, Format] = {
    "pt2": Format(pt2.make),
    "executorch": Format(executorch.make, executorch.check),
    "litert": Format(litert.make, litert.check),
    "web": Format(web.make),
}


def known() -> list[str]:
    """The names that a user may ask for."""
    return [ONNX, *FORMATS, ALL]


def asked_for(names: Iterable[str]) -> tuple[str, ...]:
    """The formats beside ONNX that these names stand for, each once, in their order.

    Raises UserError on an unknown name, and where a format lacks a package.
    """
    wanted: dict[str, None] = {}
    for name in names:
        if name not in known():
            raise UserError(f"--format {unknown('format', name, known())}")
        chosen = FORMATS if name == ALL else [name] if name != ONNX else []
        wanted.update(dict.fromkeys(chosen))
    for name in wanted:
        FORMATS[name].check()
    return tuple(wanted)
