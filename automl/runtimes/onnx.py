"""Running an exported file with a stock onnxruntime, on one thread unless more are given."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from automl.data.arrays import MAX_ANSWERED, answered_at_once

VERSION: str = onnxruntime.__version__
Session: TypeAlias = onnxruntime.InferenceSession
CPU_PROVIDER, GPU_PROVIDER = "CPUExecutionProvider", "CUDAExecutionProvider"


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


def signature(loaded: Session) -> Signature:
    """The account of a loaded file."""
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
    if takes_columns(loaded):
        return (len(loaded.get_inputs()),)
    longest = int(loaded.get_modelmeta().custom_metadata_map.get("length", 1))
    sizes = loaded.get_inputs()[0].shape[1:]
    return tuple(size if isinstance(size, int) else longest for size in sizes)


@dataclass(frozen=True)
class Processors:
    """Processors that run a file: threads of the processor, or a GPU where it can be used."""

    threads: int = 1
    on_gpu: bool = False


ONE_THREAD = Processors()


def session(file: bytes | Path, processors: Processors = ONE_THREAD) -> Session:
    """Load a file from its bytes or its path. Raises what onnxruntime raises."""
    model = file if isinstance(file, bytes) else str(file)
    return Session(model, _options(processors.threads), providers=_providers(processors.on_gpu))


def _options(threads: int = 1) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return options


def _providers(on_gpu: bool) -> list[str | tuple[str, dict[str, str]]]:
    """The processor, after a GPU that computes in whole fp32 as the processor does."""
    can = on_gpu and GPU_PROVIDER in onnxruntime.get_available_providers()
    gpu: list[str | tuple[str, dict[str, str]]] = [(GPU_PROVIDER, {"use_tf32": "0"})]
    return [*(gpu if can else []), CPU_PROVIDER]


def optimised(file: bytes) -> bytes:
    """The file as it runs on this machine, after the optimisations of loading."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/optimised.onnx"
        Session(file, options, providers=[CPU_PROVIDER])
        return Path(options.optimized_model_filepath).read_bytes()


def takes_columns(loaded: Session) -> bool:
    """Tell if a file takes a table's columns by name, not a row of numbers and codes."""
    return not loaded.get_inputs()[0].shape[1:]


def fed(loaded: Session, inputs: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """Raw rows (rows, ...) as the inputs of a file: numbers as float32, text as int64, and where
    it takes columns, each one by its name, with categories as texts."""
    takes = loaded.get_inputs()
    if not takes_columns(loaded):
        kind = np.int64 if takes[0].type == "tensor(int64)" else np.float32
        return {takes[0].name: inputs.astype(kind, copy=False)}
    columns = json.loads(loaded.get_modelmeta().custom_metadata_map["columns"])
    return {
        taken.name: _spelled(values, categories) if categories else values.astype(np.float32)
        for taken, categories, values in zip(takes, columns.values(), inputs.T)
    }


def _spelled(codes: NDArray[np.generic], categories: list[str]) -> NDArray[np.object_]:
    """The texts of categories (rows,), "" of a missing one."""
    named: NDArray[np.object_] = np.array([*categories, ""], object)
    spelled: NDArray[np.object_] = named[
        np.where(np.isnan(codes), len(categories), codes).astype(int)
    ]
    return spelled


def run(
    loaded: Session, inputs: NDArray[np.generic], batch_size: int = MAX_ANSWERED
) -> NDArray[np.float32]:
    """The first output (rows, outputs) for raw rows (rows, ...), of at most so many at once."""
    is_on_cpu = loaded.get_providers() == [CPU_PROVIDER]
    size = answered_at_once(inputs.shape[1:], batch_size) if is_on_cpu else batch_size
    parts: list[NDArray[np.float32]] = [
        loaded.run(None, fed(loaded, inputs[start : start + size]))[0]
        for start in range(0, len(inputs), size)
    ]
    return np.concatenate(parts)
