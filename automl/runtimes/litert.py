"""Running a file with LiteRT, a row at a time, on one thread unless more are given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from automl.space.runtime import Call

VERSION = version("ai-edge-litert")


@dataclass(frozen=True)
class Session:
    """A loaded file, and the row that it takes: its place, its shape and its type."""

    interpreter: Interpreter
    row: int
    answers: int
    row_shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


def session(file: bytes | Path, threads: int = 1) -> Session:
    """Load a file from its bytes or its path. Raises what LiteRT raises."""
    content = file if isinstance(file, bytes) else file.read_bytes()
    interpreter = Interpreter(model_content=content, num_threads=threads)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    shape = tuple(int(size) for size in taken["shape"][1:])
    return Session(interpreter, taken["index"], given["index"], shape, np.dtype(taken["dtype"]))


def row_shape(loaded: Session) -> tuple[int, ...]:
    """The shape of a row that a file takes."""
    return loaded.row_shape


def run(loaded: Session, inputs: NDArray[np.generic]) -> NDArray[np.float32]:
    """The output (rows, outputs) for raw rows (rows, ...), of one after the other."""
    rows = inputs.astype(loaded.dtype, copy=False)
    return np.concatenate([_answer(loaded, row[None]) for row in rows])


def call(loaded: Session, rows: NDArray[np.generic]) -> Call:
    """A call with one raw row (1, ...), or with zeros where its shape is not one that the file
    takes."""
    shape = len(rows), *loaded.row_shape
    fitting = rows if rows.shape == shape else np.zeros(shape, rows.dtype)
    return partial(_answer, loaded, fitting.astype(loaded.dtype))


def _answer(loaded: Session, row: NDArray[np.generic]) -> NDArray[np.float32]:
    loaded.interpreter.set_tensor(loaded.row, row)
    loaded.interpreter.invoke()
    answer: NDArray[np.float32] = loaded.interpreter.get_tensor(loaded.answers)
    return answer
