"""Runtimes that take a file in a format of their own; the packages load when a file does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from automl.errors import UserError
from automl.space.runtime import Loaded, Runtime


@dataclass(frozen=True)
class ExecuTorch(Runtime):
    """ExecuTorch with XNNPACK, which runs a `.pte` file, at most 32 rows at a time."""

    format: ClassVar = "executorch"

    @property
    def is_one_thread(self) -> bool:
        return self.threads == 1

    def check_ranges(self) -> None:
        super().check_ranges()
        from automl.export.executorch import MAX_BATCH

        _check_batch(self, MAX_BATCH)

    def check_here(self) -> None:
        from automl.export.executorch import check

        check("ExecuTorch()")

    def load(self, file: bytes | Path) -> Loaded:
        from automl.runtimes import executorch, executorch_patches

        executorch_patches.use_threads(self.threads)
        return partial(executorch.call, executorch.session(file))


@dataclass(frozen=True)
class LiteRT(Runtime):
    """LiteRT, which runs a `.tflite` file, a row at a time."""

    format: ClassVar = "litert"

    @property
    def is_one_thread(self) -> bool:
        return self.threads == 1

    def check_ranges(self) -> None:
        super().check_ranges()
        _check_batch(self, 1)

    def check_here(self) -> None:
        from automl.export.litert import check

        check("LiteRT()")

    def load(self, file: bytes | Path) -> Loaded:
        from automl.runtimes import litert

        return partial(litert.call, litert.session(file, self.threads))


def _check_batch(runtime: Runtime, most: int) -> None:
    """Raise UserError where a runtime asks for more rows at a time than its files take."""
    if runtime.batch > most:
        name = type(runtime).__name__
        raise UserError(f"{name}(batch={runtime.batch}): its files take at most {most} at a time")
