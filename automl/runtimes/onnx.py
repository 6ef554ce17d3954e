"""Execute an exported file with a stock onnxruntime, on one thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray


def session(file: bytes | Path) -> onnxruntime.InferenceSession:
    """A session on the file's bytes or path."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = file if isinstance(file, bytes) else str(file)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(
    loaded: onnxruntime.InferenceSession, inputs: NDArray[np.float32], batch_size: int = 1024
) -> NDArray[np.float32]:
    """The first output for every row."""
    name = loaded.get_inputs()[0].name
    starts = range(0, len(inputs), batch_size)
    parts: list[Any] = [
        loaded.run(None, {name: inputs[start : start + batch_size]})[0] for start in starts
    ]
    return np.concatenate(parts)
