"""Running a file with ExecuTorch, whose Python package takes tensors of torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from automl.data.arrays import MAX_ANSWERED
from automl.space.runtime import Call

for name in ("torchao", "torch.utils._pytree"):
    logging.getLogger(name).setLevel(logging.ERROR)
with warnings.catch_warnings():
    # It calls its interface experimental.
    warnings.simplefilter("ignore")
    from executorch.runtime import Method, Program, Runtime, Verification
    from executorch.version import __version__

VERSION: str = __version__
KINDS = {4: torch.int64, 6: torch.float32}
"""Types of tensors by ExecuTorch's numbers for them."""


@dataclass(frozen=True)
class Session:
    """A loaded file, which must stay as long as its method, and the input that this takes."""

    program: Program
    method: Method
    most_rows: int
    row_shape: tuple[int, ...]
    dtype: torch.dtype


def session(file: bytes | Path) -> Session:
    """Load a file from its bytes or its path. Raises what ExecuTorch raises."""
    program = Runtime.get().load_program(file, verification=Verification.Minimal)
    method = program.load_method("forward")
    taken = method.metadata.input_tensor_meta(0)
    most, *row = taken.sizes()
    return Session(program, method, most, tuple(row), KINDS[taken.dtype()])


def call(loaded: Session, rows: NDArray[np.generic]) -> Call:
    """A call with raw rows (rows, ...), at most as many as the file takes, or with zeros where
    their shape is not one that it takes."""
    shape = len(rows), *loaded.row_shape
    fitting = rows if rows.shape == shape else np.zeros(shape, rows.dtype)
    return partial(_answers, loaded, [_tensor(loaded, fitting)])


def row_shape(loaded: Session) -> tuple[int, ...]:
    """The shape of a row that a file takes."""
    return loaded.row_shape


def run(
    loaded: Session, inputs: NDArray[np.generic], batch_size: int = MAX_ANSWERED
) -> NDArray[np.float32]:
    """The output (rows, outputs) for raw rows (rows, ...), of at most so many at once."""
    size = min(batch_size, loaded.most_rows)
    parts = []
    for start in range(0, len(inputs), size):
        (answers,) = _answers(loaded, [_tensor(loaded, inputs[start : start + size])])
        # The next call writes where this one did.
        parts.append(answers.numpy().copy())
    return np.concatenate(parts)


def _tensor(loaded: Session, rows: NDArray[np.generic]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(rows)).to(loaded.dtype)


def _answers(loaded: Session, given: list[torch.Tensor]) -> Sequence[torch.Tensor]:
    answers: Sequence[torch.Tensor] = loaded.method.execute(given)
    return answers
