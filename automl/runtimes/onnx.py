"""Running an exported file with a stock onnxruntime, on one thread."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

VERSION: str = onnxruntime.__version__
Session: TypeAlias = onnxruntime.InferenceSession


@dataclass(frozen=True)
class Signature:
    """An exported file's own account of its input and output, both without the batch.

    `classes` are in the order of the logits; `columns` are a table's, each with its categories.
    A file that `takes_shorter` answers texts of any length up to that of `row_shape`.
    """

    row_shape: tuple[int, ...]
    is_text: bool
    takes_shorter: bool
    output: str
    num_outputs: int
    classes: tuple[str, ...]
    columns: dict[str, list[str]]


def signature(file: bytes | Path) -> Signature:
    """Read what a file takes and gives."""
    loaded = session(file)
    (row,), (output,) = loaded.get_inputs(), loaded.get_outputs()
    metadata = loaded.get_modelmeta().custom_metadata_map
    return Signature(
        row_shape=row_shape(loaded),
        is_text=row.type == "tensor(int64)",
        takes_shorter=takes_shorter(loaded),
        output=output.name,
        num_outputs=output.shape[1],
        classes=tuple(json.loads(metadata.get("classes", "[]"))),
        columns=json.loads(metadata.get("columns", "{}")),
    )


def takes_shorter(loaded: Session) -> bool:
    """Tell if a file takes texts that are shorter than its longest."""
    return "length" in loaded.get_modelmeta().custom_metadata_map


def row_shape(loaded: Session) -> tuple[int, ...]:
    """The shape of the longest row that a file takes; of a size that it leaves open without a
    word, 1."""
    longest = int(loaded.get_modelmeta().custom_metadata_map.get("length", 1))
    sizes = loaded.get_inputs()[0].shape[1:]
    return tuple(size if isinstance(size, int) else longest for size in sizes)


def session(file: bytes | Path) -> Session:
    """Load a file from its bytes or its path. Raises what onnxruntime raises."""
    model = file if isinstance(file, bytes) else str(file)
    return Session(model, _options(), providers=["CPUExecutionProvider"])


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def optimised(file: bytes) -> bytes:
    """The file as it runs on this machine, after the optimisations of loading."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/optimised.onnx"
        Session(file, options, providers=["CPUExecutionProvider"])
        return Path(options.optimized_model_filepath).read_bytes()


def as_fed(loaded: Session, inputs: NDArray[np.generic]) -> NDArray[np.generic]:
    """Raw rows (rows, ...) in the type that a file takes: numbers as float32, text as int64."""
    is_text = loaded.get_inputs()[0].type == "tensor(int64)"
    return inputs.astype(np.int64 if is_text else np.float32, copy=False)


def run(loaded: Session, inputs: NDArray[np.generic], batch_size: int = 512) -> NDArray[np.float32]:
    """The first output (rows, outputs) for raw rows (rows, ...)."""
    name = loaded.get_inputs()[0].name
    starts = range(0, len(inputs), batch_size)
    parts: list[NDArray[np.float32]] = [
        loaded.run(None, {name: as_fed(loaded, inputs[start : start + batch_size])})[0]
        for start in starts
    ]
    return np.concatenate(parts)
