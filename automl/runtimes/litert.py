"""Running a file with LiteRT, a row at a time, on one thread."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

VERSION = version("ai-edge-litert")


@dataclass(frozen=True)
class Session:
    """A loaded file, and the row that it takes: its place, its shape and its type."""

    interpreter: Interpreter
    row: int
    answers: int
    row_shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


def session(file: bytes | Path) -> Session:
    """Load a file from its bytes or its path. Raises what LiteRT raises."""
    content = file if isinstance(file, bytes) else file.read_bytes()
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    shape = tuple(int(size) for size in taken["shape"][1:])
    return Session(interpreter, taken["index"], given["index"], shape, np.dtype(taken["dtype"]))


def row_shape(loaded: Session) -> tuple[int, ...]:
    """The shape of a row that a file takes."""
    return loaded.row_shape


def run(loaded: Session, inputs: NDArray[np.generic]) -> NDArray[np.float32]:
    """The output (rows, outputs) for raw rows (rows, ...), of one after the other."""
    parts: list[NDArray[np.float32]] = []
    for row in inputs.astype(loaded.dtype, copy=False):
        loaded.interpreter.set_tensor(loaded.row, row[None])
        loaded.interpreter.invoke()
        parts.append(loaded.interpreter.get_tensor(loaded.answers))
    return np.concatenate(parts)
