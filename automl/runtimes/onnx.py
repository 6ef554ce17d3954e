"""Execute an exported file with a stock onnxruntime, on one thread."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

VERSION: str = onnxruntime.__version__
Session: TypeAlias = Any


@dataclass(frozen=True)
class Signature:
    """What an exported file says of itself."""

    row_shape: tuple[int, ...]
    classes: tuple[str, ...]


def signature(file: bytes | Path) -> Signature:
    """The shape of one input row, and the class names in the order of the logits."""
    loaded = session(file)
    classes = json.loads(loaded.get_modelmeta().custom_metadata_map["classes"])
    return Signature(tuple(loaded.get_inputs()[0].shape[1:]), tuple(classes))


def session(file: bytes | Path) -> Session:
    """A session on the file's bytes or path."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = file if isinstance(file, bytes) else str(file)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(
    loaded: Session, inputs: NDArray[np.float32], batch_size: int = 1024
) -> NDArray[np.float32]:
    """The first output for every row."""
    name = loaded.get_inputs()[0].name
    starts = range(0, len(inputs), batch_size)
    parts: list[Any] = [
        loaded.run(None, {name: inputs[start : start + batch_size]})[0] for start in starts
    ]
    return np.concatenate(parts)
