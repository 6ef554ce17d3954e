"""Running an exported file with a stock onnxruntime, on one thread unless more are given.

The library is loaded with the first file: looks at searches name runtimes, and run nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.data.arrays import MAX_ANSWERED, answered_at_once
from automl.errors import UserError
from automl.runtimes.metadata import metadata
from automl.runtimes.providers import (
    CPU,
    ENDING,
    left_to_others,
    placed,
    provider_named,
    set_up,
    spelled,
)
from automl.space.runtime import Call, Loaded, Runtime, by_name

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions

Session: TypeAlias = "InferenceSession"


def onnxruntime_version() -> str:
    """The version of onnxruntime here."""
    from onnxruntime import __version__

    return str(__version__)


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
    told = metadata(loaded)
    return Signature(
        row_shape=row_shape(loaded),
        is_text=row.type == "tensor(int64)",
        takes_shorter=takes_shorter(loaded),
        output=output.name,
        num_outputs=output.shape[1],
        classes=told.classes,
        columns=told.columns,
    )


def takes_shorter(loaded: Session) -> bool:
    """Tell if a file takes texts that are shorter than its longest."""
    return metadata(loaded).length > 0


def row_shape(loaded: Session) -> tuple[int, ...]:
    """The shape of the longest row that a file takes; of a size that it leaves open without a
    word, 1."""
    if takes_columns(loaded):
        return (len(loaded.get_inputs()),)
    longest = metadata(loaded).length or 1
    sizes = loaded.get_inputs()[0].shape[1:]
    return tuple(size if isinstance(size, int) else longest for size in sizes)


def leaves_open(loaded: Session) -> bool:
    """Tell if a file leaves a size of its rows open without a word, so that `row_shape` is made
    up."""
    sizes = [size for taken in loaded.get_inputs() for size in taken.shape[1:]]
    return not takes_shorter(loaded) and not all(isinstance(size, int) for size in sizes)


def agree(stated: Sequence[int | str | None], sizes: Sequence[int]) -> bool:
    """Tell if sizes are those that a file states, as many and the same; others it leaves open."""
    pairs = zip(stated, sizes)
    return len(stated) == len(sizes) and all(a == b for a, b in pairs if isinstance(a, int))


def stated_batch(loaded: Session) -> int:
    """The number of rows that each call has where a file states one, as many exporters do; 0 where
    it takes any."""
    sizes = loaded.get_inputs()[0].shape[:1]
    return sizes[0] if sizes and isinstance(sizes[0], int) else 0


def text_length(loaded: Session) -> int:
    """The length of the longest text that a file takes; 0 where it leaves that open, or takes
    none."""
    row, *others = loaded.get_inputs()
    is_text = not others and row.type == "tensor(int64)" and len(row.shape) == 2
    is_told = is_text and (isinstance(row.shape[1], int) or takes_shorter(loaded))
    return row_shape(loaded)[0] if is_told else 0


def session(file: bytes | Path, provider: str = CPU, threads: int = 1) -> Session:
    """Load a file from its bytes or its path. Raises what onnxruntime raises."""
    from onnxruntime import InferenceSession

    model = file if isinstance(file, bytes) else str(file)
    return InferenceSession(model, _options(threads), providers=set_up(provider, threads))


@dataclass(frozen=True)
class OnnxRuntime(Runtime):
    """onnxruntime with an execution provider, such as CUDA or OpenVINO, on so many threads.

    `provider` is onnxruntime's name of an execution provider without its ending: "CUDA" stands for
    `CUDAExecutionProvider`.
    """

    provider: str = CPU

    @property
    def name(self) -> str:
        return "onnxruntime" if self.provider == CPU else self.provider.lower()

    @property
    def title(self) -> str:
        return "" if self.provider == CPU else self.provider

    @property
    def is_one_thread(self) -> bool:
        return self.provider == CPU and self.threads == 1

    def check_ranges(self) -> None:
        super().check_ranges()
        if self.provider != CPU and (own := spelled(self.provider)) != self.provider:
            raise UserError(f"{self.provider!r} is no provider of onnxruntime; write {own!r}")

    def check_here(self) -> None:
        provider_named(self.provider)

    def load(self, file: bytes | Path) -> Loaded:
        return partial(_call, session(file, self.provider, self.threads))

    def note(self, file: bytes | Path, rows: NDArray[np.generic]) -> str:
        if self.provider == CPU:
            return ""
        return left_to_others(self.provider, nodes_by_provider(file, self, rows))


ONE_THREAD = OnnxRuntime()


def named(runtimes: Sequence[Runtime]) -> dict[str, Runtime]:
    """The runtimes of a space by the names of their figures; one thread where it names none."""
    return by_name(runtimes or (ONE_THREAD,))


def _call(loaded: Session, rows: NDArray[np.generic]) -> Call:
    """A call with these rows, or with as many of zeros where their shape, such as texts of another
    length, is not one that the session takes."""
    own, shape = row_shape(loaded), rows.shape[1:]
    # Texts are as long as the file takes them: its times beside others are of the longest.
    stated = loaded.get_inputs()[0].shape[1:] if leaves_open(loaded) else own
    fitting = rows if agree(stated, shape) else np.zeros((len(rows), *own), rows.dtype)
    return partial(loaded.run, None, fed(loaded, fitting))


def nodes_by_provider(
    file: bytes | Path, runtime: OnnxRuntime, inputs: NDArray[np.generic]
) -> dict[str, int]:
    """The number of nodes of a file that each provider runs for raw rows (rows, ...)."""
    feed = fed(session(file), inputs)
    providers = set_up(runtime.provider, runtime.threads)
    return placed(file, _options(runtime.threads), providers, feed)


def _options(threads: int = 1) -> SessionOptions:
    from onnxruntime import SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return options


def optimised(file: bytes) -> bytes:
    """The file as it runs on this machine, after the optimisations of loading."""
    from onnxruntime import InferenceSession

    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/optimised.onnx"
        InferenceSession(file, options, providers=set_up(CPU, 1))
        return Path(options.optimized_model_filepath).read_bytes()


def takes_columns(loaded: Session) -> bool:
    """Tell if a file takes a table's columns by name, not a row of numbers and codes."""
    return not loaded.get_inputs()[0].shape[1:] and bool(metadata(loaded).columns)


def fed(loaded: Session, inputs: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """Raw rows (rows, ...) as the inputs of a file: numbers as float32, text as int64, and where
    it takes columns, each one by its name, with categories as texts. Where the file states its
    batch, they are repeated to as many."""
    takes = loaded.get_inputs()
    if batch := stated_batch(loaded):
        inputs = np.resize(inputs, (batch, *inputs.shape[1:]))
    if not takes_columns(loaded):
        kind = np.int64 if takes[0].type == "tensor(int64)" else np.float32
        return {takes[0].name: inputs.astype(kind, copy=False)}
    columns = metadata(loaded).columns
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
    is_on_cpu = loaded.get_providers() == [CPU + ENDING]
    size = answered_at_once(inputs.shape[1:], batch_size) if is_on_cpu else batch_size
    size = stated_batch(loaded) or size
    parts = (inputs[start : start + size] for start in range(0, len(inputs), size))
    answers: list[NDArray[np.float32]] = [
        loaded.run(None, fed(loaded, part))[0][: len(part)] for part in parts
    ]
    return np.concatenate(answers)
