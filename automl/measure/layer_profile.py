"""A file layer by layer: the time, bytes, multiply-accumulates and memory of each of its nodes."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx

from automl.errors import UserError, described
from automl.measure.activation_memory import peak_activation_bytes
from automl.measure.energy import Reading, energy_mj
from automl.measure.file_times import remarks
from automl.measure.machine import machine
from automl.measure.macs import macs_by_node
from automl.measure.numbered_graph import NumberedGraph, numbered
from automl.measure.peak_memory import empty_file, peak_memory_bytes
from automl.measure.whole_file import whole
from automl.runtimes.node_runs import Feed, NodeRun, Shape, Stage, made_up_feed, node_runs
from automl.runtimes.onnx import OnnxRuntime, Session, session

LEAST_CALLS, MOST_CALLS, MOST_RUNS = 12, 400, 60_000
"""Calls that are noted node by node; of a file of many nodes fewer, at most so many runs."""
LEAST_MS = 1e-3
"""Time of a file's nodes in a call, which may take no longer than a call that does nothing."""
WORTH_SAYING = 0.1
"""The share of a call's time from which that of noting it is told."""
ON_GPU = ("CUDA", "Tensorrt")


@dataclass(frozen=True)
class NodeProfile:
    """A node as it runs: the layer whose weights it reads, if that is known, and its shares.

    `num_bytes` are those of its weights in the file, `activation_bytes` those of what it makes.
    """

    number: int
    layer: str
    operator: str
    provider: str
    reads: Shape
    makes: Shape
    time_ms: float
    num_bytes: int
    macs: int
    activation_bytes: int

    @property
    def name(self) -> str:
        """The layer's name, else the node's number."""
        return self.layer or str(self.number)


@dataclass(frozen=True)
class Totals:
    """The figures of a whole file.

    `latency_ms` is the sum of the nodes' times and of `unattributed_ms`: those of the call itself.
    `notes_ms` is what it took to note the runs of the nodes, which is taken off their times.
    `graph_bytes` are those of the file that are no weights.
    """

    latency_ms: float
    unattributed_ms: float
    notes_ms: float
    size_bytes: int
    graph_bytes: int
    macs: int
    peak_activation_bytes: int


@dataclass(frozen=True)
class LayerProfile:
    """A file's nodes in the order in which they run, and its totals, with what they depend on.

    `readings` are figures that not every machine tells, by their names, and `remarks` are sentences
    on the rows of a call.
    """

    file: str
    runtime: OnnxRuntime
    machine: Mapping[str, str]
    nodes: Sequence[NodeProfile]
    totals: Totals
    readings: Mapping[str, Reading] = field(default_factory=dict)
    remarks: Sequence[str] = ()

    def sentences(self) -> list[str]:
        """Sentences on the rows of a call, on how sure the times are, and on nodes that the
        provider does not run."""
        said, own = [*self.remarks], self.totals
        if own.notes_ms > WORTH_SAYING * own.latency_ms:
            said.append(
                f"onnxruntime notes each node to a microsecond, and took {own.notes_ms:.4f} ms for "
                "the notes, which is taken off; a larger --batch makes the shares surer"
            )
        others = [node for node in self.nodes if node.provider != self.runtime.provider]
        if others:
            said.append(
                f"{self.runtime.provider} runs {len(self.nodes) - len(others)} of "
                f"{len(self.nodes)} nodes, {others[0].provider} the others"
            )
        return said

    def as_json(self) -> dict[str, object]:
        """The object that `automl profile --json` prints."""
        return {
            "file": self.file,
            "runtime": asdict(self.runtime),
            "machine": dict(self.machine),
            **asdict(self.totals),
            **{name: reading.value for name, reading in self.readings.items()},
            "why_null": {n: r.why_none for n, r in self.readings.items() if r.value is None},
            "nodes": [asdict(node) for node in self.nodes],
            "notes": self.sentences(),
        }


@dataclass(frozen=True)
class Asked:
    """The file to profile, how it is to be run, and the names of its layers by their values.

    Twice the `seconds` are spent on calls, more on a file that takes long.
    """

    file: Path
    runtime: OnnxRuntime
    layers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 1.0


def layer_profile(asked: Asked) -> LayerProfile:
    """Profile a file on random rows. Raises UserError where it cannot be loaded or run."""
    file = whole(asked.file)
    try:
        graph = numbered(onnx.load_from_string(file))
        loaded = session(asked.file, asked.runtime.provider, asked.runtime.threads)
        feed = made_up_feed(loaded, asked.runtime.batch)
        loaded.run(None, feed)
    except Exception as error:
        raise UserError(f"onnxruntime cannot run {asked.file}: {described(error)}") from None
    latency, call = _call_ms(loaded, feed, asked)
    nodes, notes_ms = _nodes(graph, feed, asked, latency - call)
    totals = Totals(
        latency_ms=latency,
        unattributed_ms=latency - sum(node.time_ms for node in nodes),
        notes_ms=notes_ms,
        size_bytes=len(file),
        graph_bytes=len(file) - sum(node.num_bytes for node in nodes),
        macs=sum(node.macs for node in nodes),
        peak_activation_bytes=peak_activation_bytes(graph.file, feed),
    )
    told = remarks(loaded, asked.runtime.batch)
    return LayerProfile(str(asked.file), asked.runtime, machine(), nodes, totals, remarks=told)


def with_readings(profile: LayerProfile) -> LayerProfile:
    """A profile with the memory that its file takes in a process of its own, and the energy."""
    file, runtime = Path(profile.file), profile.runtime
    loaded = session(file, runtime.provider, runtime.threads)
    feed = made_up_feed(loaded, runtime.batch)
    energy = energy_mj(lambda: loaded.run(None, feed), runtime.provider in ON_GPU)
    memory = peak_memory_bytes(file, runtime)
    return replace(profile, readings={"peak_memory_bytes": memory, "energy_mj": energy})


def _call_ms(loaded: Session, feed: Feed, asked: Asked) -> tuple[float, float]:
    """Milliseconds of a call of a file, and of one that does nothing, taken in turn."""
    nothing: Feed = {"value": np.zeros((1, 1), np.float32)}
    calls = [(loaded, feed), (session(empty_file()), nothing)]
    clock = time.thread_time if asked.runtime.is_one_thread else time.perf_counter
    taken: list[list[float]] = [[] for _ in calls]
    until, rng = time.monotonic() + asked.seconds, random.Random(0)
    while len(taken[0]) < LEAST_CALLS or time.monotonic() < until:
        for i in rng.sample(range(len(calls)), len(calls)):
            called, rows = calls[i]
            called.run(None, rows)
            started = clock()
            called.run(None, rows)
            taken[i].append((clock() - started) * 1e3)
    whole, call = map(_middle, taken)
    return whole, min(call, whole)


def _nodes(
    graph: NumberedGraph, feed: Feed, asked: Asked, nodes_ms: float
) -> tuple[list[NodeProfile], float]:
    """The nodes that run, which take so many milliseconds in all, and those of noting them."""
    in_time = int(asked.seconds * 1e3 / max(nodes_ms, LEAST_MS))
    fitting = min(MOST_RUNS // max(1, len(graph.dynamic)), in_time)
    num_calls = min(MOST_CALLS, max(LEAST_CALLS, fitting))
    ran = node_runs(graph.file, feed, Stage.RUNNING, asked.runtime, num_calls)
    outputs = _outputs(ran.graph)
    first = [run for run in ran.calls[0] if run.name in outputs or not outputs]
    noted = {run.name: list[float]() for run in first}
    for call in ran.calls:
        for run in call:
            if run.name in noted:
                noted[run.name].append(run.microseconds / 1e3)
    taken = [_middle(noted[run.name]) for run in first]
    times = without_notes(taken, nodes_ms)
    shares = _shares(graph, feed, first, outputs, asked.layers)
    nodes = [
        NodeProfile(
            number,
            " ".join(share.layers),
            run.operator,
            run.provider,
            run.inputs[0] if run.inputs else (),
            run.outputs[0] if run.outputs else (),
            time_ms,
            share.num_bytes,
            share.macs,
            sum(run.output_bytes),
        )
        for number, (run, time_ms, share) in enumerate(zip(first, times, shares))
    ]
    return nodes, sum(taken) - sum(times)


def _outputs(graph: bytes) -> dict[str, str]:
    """The names of what each node makes, in one text, by the name of the node."""
    return {node.name: " ".join(node.output) for node in onnx.load_from_string(graph).graph.node}


def without_notes(taken: Sequence[float], total: float) -> list[float]:
    """The times of nodes, which add up to the total at most, without those of noting them.

    A note takes the same of every node, and no node takes less than nothing.
    """
    left, share = sorted(taken), 0.0
    for at, least in enumerate(left):
        share = (sum(left[at:]) - total) / (len(left) - at)
        if share <= least:
            break
    return [max(0.0, own - max(0.0, share)) for own in taken]


@dataclass
class _Share:
    """The share that a node which runs has of the file's weights and of its work."""

    layers: list[str] = field(default_factory=list)
    num_bytes: int = 0
    macs: int = 0


def _shares(
    graph: NumberedGraph,
    feed: Feed,
    ran: Sequence[NodeRun],
    outputs: Mapping[str, str],
    layers: Mapping[str, str],
) -> list[_Share]:
    """The share of each node that runs: what the nodes of the file that became it have."""
    shares = [_Share() for _ in ran]
    places = graph.places([(run.name, outputs.get(run.name, "")) for run in ran])
    names = {graph.renamed.get(value, value): layer for value, layer in layers.items()}
    for number in graph.dynamic:
        own = shares[places[number]]
        own.num_bytes += graph.num_bytes(number)
        own.layers += [names[name] for name in graph.weights[number] if name in names]
    for number, count in macs_by_node(graph, feed).items():
        shares[places[number]].macs += count
    return shares


def _middle(values: Sequence[float]) -> float:
    """The mean of the middle half: whole microseconds, of which a median would tell one."""
    ordered, aside = sorted(values), len(values) // 4
    return statistics.fmean(ordered[aside : len(ordered) - aside])
