"""Running a torch.export program with torch."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from automl.data.arrays import MAX_ANSWERED, answered_at_once

VERSION: str = torch.__version__


@dataclass(frozen=True)
class Session:
    """A loaded program, and the input that it takes."""

    module: torch.nn.Module
    row_shape: tuple[int, ...]
    dtype: torch.dtype


def session(file: bytes | Path) -> Session:
    """Load a file from its bytes or its path. Raises what torch raises."""
    program = torch.export.load(io.BytesIO(file) if isinstance(file, bytes) else str(file))
    (name,) = program.graph_signature.user_inputs
    (taken,) = (node.meta["val"] for node in program.graph.nodes if node.name == name)
    return Session(program.module(), tuple(map(int, taken.shape[1:])), taken.dtype)


def row_shape(loaded: Session) -> tuple[int, ...]:
    """The shape of a row that a file takes."""
    return loaded.row_shape


def run(
    loaded: Session, inputs: NDArray[np.generic], batch_size: int = MAX_ANSWERED
) -> NDArray[np.float32]:
    """The output (rows, outputs) for raw rows (rows, ...), of at most so many at once."""
    size = answered_at_once(inputs.shape[1:], batch_size)
    with torch.inference_mode():
        parts = [
            loaded.module(torch.from_numpy(inputs[start : start + size]).to(loaded.dtype)).numpy()
            for start in range(0, len(inputs), size)
        ]
    return np.concatenate(parts)
