"""A way to run an exported file, as a space holds it: what a runtime is, not which there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.config import Config
from automl.errors import UserError

TIMES, SIZE = ("latency_ms", "load_ms"), "size_bytes"
"""The figures that a file has on each runtime, and the one of a file in a format of its own."""
ONNX = ""
"""The format of the file that every model has."""
Call: TypeAlias = Callable[[], object]
Loaded: TypeAlias = Callable[[NDArray[np.generic]], Call]
"""A loaded file: for raw rows (rows, ...) it gives the call that answers them."""


@dataclass(frozen=True, kw_only=True)
class Runtime(Config):
    """A way to run an exported file: its latency there is that of a call of `batch` rows.

    `threads` are those of the processor. `format` is that of the files which it takes, as an export
    names it; "" stands for ONNX.
    """

    format: ClassVar[str] = ONNX

    threads: int = 1
    batch: int = 1

    @property
    def name(self) -> str:
        """The name that its figures have where no other runtime has it."""
        return type(self).__name__.lower()

    @property
    def title(self) -> str:
        """The name of what runs a file; "" of onnxruntime's own kernels."""
        return type(self).__name__

    @property
    def words(self) -> str:
        """The call that a latency is of: "one row, one thread", or "8 rows a call, 4 threads,
        OpenVINO"."""
        rows = "one row" if self.batch == 1 else f"{self.batch} rows a call"
        threads = "one thread" if self.threads == 1 else f"{self.threads} threads"
        return ", ".join(filter(None, (rows, threads, self.title)))

    @property
    def is_one_thread(self) -> bool:
        """True where the thread that asks does all the work."""
        return False

    def check_ranges(self) -> None:
        for field, value in (("threads", self.threads), ("batch", self.batch)):
            if value < 1:
                raise UserError(f"{type(self).__name__}({field}={value}): give 1 or more")

    def check_here(self) -> None:
        """Raise UserError where this process cannot run files so."""
        raise UserError(f"{type(self).__name__} runs no files; take one such as OnnxRuntime()")

    def load(self, file: bytes | Path) -> Loaded:
        """Load a file. Raises what the runtime raises."""
        raise NotImplementedError(f"{type(self).__name__} has no load")

    def note(self, file: bytes | Path, rows: NDArray[np.generic]) -> str:
        """A sentence on what of a file runs elsewhere than was asked for, or ""."""
        return ""


def further_figures(runtimes: Sequence[Runtime]) -> list[str]:
    """The names of the figures on all runtimes but the first, whose figures have plain names: also
    of the size of a file that is of a runtime's own format."""
    return [
        f"{name}/{figure}"
        for name, runtime in list(by_name(runtimes).items())[1:]
        for figure in (*TIMES, *[SIZE] * bool(runtime.format))
    ]


def own_formats(runtimes: Iterable[Runtime]) -> list[str]:
    """The formats beside ONNX that runtimes take, each once."""
    return list(dict.fromkeys(runtime.format for runtime in runtimes if runtime.format))


def by_name(runtimes: Sequence[Runtime]) -> dict[str, Runtime]:
    """Runtimes by the names of their figures: "openvino", or with threads and rows of a call,
    "onnxruntime-4x8", where several have one name and the first has taken it.

    Raises UserError on two that are the same.
    """
    named: dict[str, Runtime] = {}
    shared = Counter(runtime.name for runtime in runtimes)
    for place, runtime in enumerate(runtimes):
        is_plain = shared[runtime.name] == 1 or place == 0
        name = runtime.name if is_plain else f"{runtime.name}-{runtime.threads}x{runtime.batch}"
        if runtime in named.values() or name in named:
            raise UserError(f"{runtime} is among the runtimes twice; leave one out")
        named[name] = runtime
    return named
