"""Files of all formats that are run here, each by the runtime that its name's ending stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Answers: TypeAlias = Callable[[bytes, NDArray[np.generic]], NDArray[np.float32]]
"""Gives the answers (rows, outputs) of a file to raw rows (rows, ...)."""


def _torch_program(file: bytes, rows: NDArray[np.generic]) -> NDArray[np.float32]:
    from automl.runtimes import pt2

    return pt2.run(pt2.session(file), rows)


def _executorch(file: bytes, rows: NDArray[np.generic]) -> NDArray[np.float32]:
    from automl.runtimes import executorch

    return executorch.run(executorch.session(file), rows)


def _litert(file: bytes, rows: NDArray[np.generic]) -> NDArray[np.float32]:
    from automl.runtimes import litert

    return litert.run(litert.session(file), rows)


RUNTIMES: Mapping[str, Answers] = {
    ".pt2": _torch_program,
    ".pte": _executorch,
    ".tflite": _litert,
}


def answers_of(name: str) -> Answers | None:
    """The function that answers rows with a file of that name; None where nothing here does."""
    return RUNTIMES.get(PurePath(name).suffix)
