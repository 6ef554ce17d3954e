"""The nodes of a file as onnxruntime runs them, one by one: times, shapes, and who runs each."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeAlias, TypedDict

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from automl.runtimes.onnx import ONE_THREAD, OnnxRuntime, fed, row_shape, takes_columns
from automl.runtimes.providers import CPU, ENDING, set_up

Shape: TypeAlias = tuple[int, ...]
Feed: TypeAlias = dict[str, NDArray[np.generic]]
TIMED = "_kernel_time"
LARGEST_CODE, LARGEST_ID = 1, 2
"""Made-up codes of categories are below, so that every column has them, and made-up ids of text,
so that every vocabulary has them."""
ITEM_BYTES = {
    **dict.fromkeys(("double", "int64", "uint64"), 8),
    **dict.fromkeys(("float", "int32", "uint32"), 4),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), 2),
}
"""Bytes of a number by its type as onnxruntime names it; 1 of all others."""


OWN_TYPES = ("tensor(float)", "tensor(int64)")
"""The types of the one input that a file of ours has."""
TYPES: dict[str, type[np.generic]] = {
    "tensor(bool)": np.bool_,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
}


class Stage(Enum):
    """The stages of a file on its way to a processor.

    `WRITTEN` is as it stands, `FUSED` with the operators joined that every machine joins, and
    `RUNNING` as this machine runs it, laid out for its processor.
    """

    WRITTEN = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    FUSED = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    RUNNING = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL


@dataclass(frozen=True)
class NodeRun:
    """A run of one node: the shapes of the tensors that it read and made, with their bytes.

    `microseconds` are whole ones, and hold what it takes to note the run.
    """

    name: str
    operator: str
    provider: str
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    output_bytes: tuple[int, ...]
    microseconds: int


@dataclass(frozen=True)
class Runs:
    """Calls of a file, each the runs of its nodes in their order, and the graph that ran.

    The graph is not known of a provider that has turned it into a program of its own.
    """

    graph: bytes
    calls: list[list[NodeRun]]


class _Taken(TypedDict):
    provider: str
    op_name: str
    input_type_shape: list[dict[str, list[int]]]
    output_type_shape: list[dict[str, list[int]]]


def node_runs(
    file: bytes,
    feed: Feed,
    stage: Stage = Stage.RUNNING,
    runtime: OnnxRuntime = ONE_THREAD,
    num_calls: int = 1,
) -> Runs:
    """The runs of a file's nodes in so many calls. Raises what onnxruntime raises."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = runtime.threads, 1
        options.log_severity_level = 3
        options.graph_optimization_level = stage.value
        graph = Path(folder) / "graph.onnx"
        if runtime.provider == CPU:
            options.optimized_model_filepath = str(graph)
        if stage is not Stage.RUNNING:
            # A kernel that has turned its weights around no longer tells their shape.
            options.add_session_config_entry("session.disable_prepacking", "1")
        options.enable_profiling, options.profile_file_prefix = True, f"{folder}/run"
        providers = set_up(runtime.provider, runtime.threads)
        loaded = onnxruntime.InferenceSession(file, options, providers=providers)
        for _ in range(num_calls):
            loaded.run(None, feed)
        events = json.loads(Path(loaded.end_profiling()).read_text())
        ran = graph.read_bytes() if graph.exists() else b""
    return Runs(ran, list(_calls(events)))


def made_up_feed(loaded: onnxruntime.InferenceSession, batch: int) -> Feed:
    """Random rows for a file, (batch, ...) of each of its inputs, or as many as it states; of
    another size that it leaves open without a word, 1."""
    rng, (first, *others) = np.random.default_rng(0), loaded.get_inputs()
    if takes_columns(loaded):
        return fed(loaded, rng.uniform(0, LARGEST_CODE, (batch, len(others) + 1)))
    if not others and first.type in OWN_TYPES:
        largest = 100 if first.type == OWN_TYPES[0] else LARGEST_ID
        return fed(loaded, rng.uniform(0, largest, (batch, *row_shape(loaded))))
    made = Feed()
    for taken in (first, *others):
        otherwise = [batch, *[1] * len(taken.shape)]
        sizes = [a if isinstance(a, int) else b for a, b in zip(taken.shape, otherwise)]
        numbers = rng.uniform(0, LARGEST_CODE, sizes)
        made[taken.name] = np.asarray(numbers).astype(TYPES.get(taken.type, np.float32))
    return made


def _calls(events: Iterable[Mapping[str, object]]) -> Iterable[list[NodeRun]]:
    """The runs of each call: the event of a call comes after those of its nodes."""
    runs: list[NodeRun] = []
    for event in events:
        name, args = str(event["name"]), event["args"]
        if name == "model_run":
            yield runs
            runs = []
        elif event["cat"] == "Node" and name.endswith(TIMED) and isinstance(args, dict):
            runs.append(_run(name.removesuffix(TIMED), int(str(event["dur"])), _Taken(**args)))  # type: ignore[typeddict-item]


def _run(name: str, microseconds: int, taken: _Taken) -> NodeRun:
    return NodeRun(
        name=name,
        operator=taken["op_name"],
        provider=taken["provider"].removesuffix(ENDING),
        inputs=tuple(tuple(s) for one in taken["input_type_shape"] for s in one.values()),
        outputs=tuple(tuple(s) for one in taken["output_type_shape"] for s in one.values()),
        output_bytes=tuple(
            ITEM_BYTES.get(kind, 1) * int(np.prod(shape, dtype=np.int64))
            for one in taken["output_type_shape"]
            for kind, shape in one.items()
        ),
        microseconds=microseconds,
    )
