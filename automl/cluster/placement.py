"""Trials that run at once, planned from the resources of each node of the cluster."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl.errors import UserError

Node = Mapping[str, float]
"""Resources of a node by Ray's names, "CPU" and "GPU" among them."""
ROUNDING = 1e-9
GPU_TYPE = "accelerator_type:"
"""Before the name of its GPUs' type, the resource by which Ray knows a node."""
TYPE_SHARE = 0.001
"""The share of that resource that a process takes: it only names the node."""
HEAD = "node:__internal_head__"


@dataclass(frozen=True)
class Request:
    """Resources of a trial, or of each of its workers, and the most trials at once.

    `gpu_type` is Ray's name of a type of GPU, "" for any; `concurrency` is None for as many as
    fit. Raises UserError on what cannot be had.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    concurrency: int | None = None
    gpu_type: str = ""

    def __post_init__(self) -> None:
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise UserError(
                f"--gpus-per-trial {self.gpus}: above one it must be whole; "
                "a share, as 0.25, is of a single GPU"
            )
        if self.gpu_type and not self.gpus:
            raise UserError(
                f"--gpu-type {self.gpu_type}: trials that take no GPU need no type of it; "
                "give --gpus-per-trial too"
            )

    def bundle(self) -> dict[str, float]:
        """The resources of one process, by Ray's names."""
        gpus = {"GPU": self.gpus} if self.gpus else {}
        kind = {GPU_TYPE + self.gpu_type: TYPE_SHARE} if self.gpu_type else {}
        return {"CPU": self.cpus, **gpus, **kind}

    @property
    def is_one_core(self) -> bool:
        """True when each core of a machine runs a trial, and nothing else does."""
        return self.cpus <= 1 and not self.gpus and self.concurrency is None


@dataclass(frozen=True)
class Plan:
    """Trials of a space on the nodes of a cluster.

    `sizes` are the numbers of workers that its trials have, 0 where a trial is one process. A
    process has its CPUs and GPUs on one node; the workers of a trial may be on several.
    """

    request: Request
    sizes: Sequence[int]
    nodes: Sequence[Node]

    @property
    def capacity(self) -> int:
        """The smallest trials that the nodes hold at once; 0 when they cannot hold the largest."""
        held = self._num_held()
        return held // _processes(min(self.sizes)) if held >= _processes(max(self.sizes)) else 0

    @property
    def slots(self) -> int:
        """Trials that run at once, if all are of the smallest; 0 when the largest does not fit."""
        return min(self.capacity, self.request.concurrency or self.capacity)

    @property
    def num_gpus(self) -> float:
        """GPUs of all nodes."""
        return sum(node.get("GPU", 0.0) for node in self.nodes)

    @property
    def fewest_gpus(self) -> float:
        """GPUs of the smallest trial, all its workers'."""
        return self.request.gpus * _processes(min(self.sizes))

    def max_live(self, live: Sequence[int] = ()) -> int:
        """Trials that may be started and not ended, when there are these, given by their workers
        in the order of their start.

        One more than the nodes hold waits for resources: Ray's autoscaler sees what is missing,
        and Tune keeps an actor only where another trial wants it. None starts after one that
        waits, which would never get its resources while smaller ones take them. Where only
        `concurrency` limits the trials none waits: it would run.
        """
        free = self._num_held()
        for num_before, workers in enumerate(live):
            free -= _processes(workers)
            if free < 0:
                return num_before + 1
        fits = len(live) + free // _processes(min(self.sizes))
        limit = self.request.concurrency or math.inf
        return fits + 1 if fits <= limit else int(limit)

    def check(self) -> None:
        """Raise UserError when some trial of the space does not fit."""
        if not self.capacity:
            raise UserError(self.shortage())

    def shortage(self) -> str:
        """The reason that the largest trial does not fit, in a sentence."""
        request, types = self.request, sorted({t for node in self.nodes for t in _types(node)})
        what = f"one trial needs {_processes(max(self.sizes))} × {_each(request)}"
        if request.gpu_type and request.gpu_type not in types:
            has = f"has GPUs of the types {', '.join(types)}" if types else "has no GPU of any type"
            return (
                f"{what}, the cluster {has}; give one of its types to --gpu-type, or leave it out"
            )
        return (
            f"{what}, the cluster has {summarize_nodes(self.nodes)}; "
            "lower --workers-per-trial, --cpus-per-trial or --gpus-per-trial"
        )

    def summary(self) -> str:
        """The plan in words: the slots, what a trial takes, what each node holds, or why it holds
        none, and the GPUs that no trial takes."""
        least, most = min(self.sizes), max(self.sizes)
        each, what = _each(self.request), "trials"
        if most > 1:
            number = f"{most}" if least == most else f"{_processes(least)} to {most}"
            each, what = f"{number} workers of {each}", "workers"
        fewest = min(self.slots, self._num_held() // _processes(most))
        slots = f"{self.slots}" if fewest == self.slots else f"{fewest} to {self.slots}"
        return (
            f"{slots} trial{'' if slots == '1' else 's'} at once, each with {each}; "
            f"{what} that the nodes hold: {', '.join(self._held())}{self._idle_gpus()}"
        )

    def _idle_gpus(self) -> str:
        if self.request.gpus or not self.num_gpus:
            return ""
        idle = _count(self.num_gpus, "GPU")
        return f"; idle: {idle}, which --gpus-per-trial auto gives to trials"

    def _held(self) -> list[str]:
        """The processes that nodes hold, in words, like nodes together."""
        told = [self._held_by(node) for node in self.nodes]
        lines = []
        for held, kind, reason in dict.fromkeys(told):
            count = told.count((held, kind, reason))
            on = f"each of {count} nodes" if count > 1 else "a node"
            lines.append(f"{held or 'none'} on {on} of {kind}{reason}")
        return lines

    def _held_by(self, node: Node) -> tuple[int, str, str]:
        """Processes that a node holds, its kind, and why it holds none."""
        held, reason = self._num_processes(node), ""
        if not held:
            head = "the head, which has" if HEAD in node else "which has"
            reason = f" ({head} {self._lack(node)})"
        return held, _kind(node), reason

    def _lack(self, node: Node) -> str:
        """The resource of which a node has too little for one process."""
        cpus, gpus = node.get("CPU", 0.0), node.get("GPU", 0.0)
        if self.request.gpu_type and self.request.gpu_type not in _types(node):
            return f"no {self.request.gpu_type}"
        if cpus + ROUNDING < self.request.cpus:
            return f"{'too few' if cpus else 'no'} CPUs"
        return f"{'too few' if gpus else 'no'} GPUs"

    def _num_held(self) -> int:
        """Processes that all nodes hold."""
        return sum(map(self._num_processes, self.nodes))

    def _num_processes(self, node: Node) -> int:
        """Processes of the request that a node holds."""
        cpus, gpus = self.request.cpus, self.request.gpus
        fits = int(node.get("CPU", 0.0) / cpus + ROUNDING)
        if self.request.gpu_type and self.request.gpu_type not in _types(node):
            return 0
        if gpus:
            own = node.get("GPU", 0.0)
            # A share is of one GPU: what is left of two does not add up to a third.
            shares = int(own) * int(1 / gpus + ROUNDING)
            fits = min(fits, shares if gpus < 1 else int(own / gpus + ROUNDING))
        return fits


def summarize_nodes(nodes: Sequence[Node]) -> str:
    """The nodes in words, like ones together: `nodes: 2 of 4 CPUs and 1 GPU, 1 of 8 CPUs`."""
    kinds = [_kind(node) for node in nodes]
    counts = [f"{kinds.count(kind)} of {kind}" for kind in dict.fromkeys(kinds)]
    return f"nodes: {', '.join(counts)}" if counts else "no node"


def _processes(num_workers: int) -> int:
    return max(1, num_workers)


def _each(request: Request) -> str:
    cpus, gpus = request.cpus, request.gpus
    return f"{_count(cpus, 'CPU')}{_gpus(gpus, request.gpu_type)}"


def _kind(node: Node) -> str:
    return f"{_count(node.get('CPU', 0.0), 'CPU')}{_gpus(node.get('GPU', 0.0), *_types(node))}"


def _types(node: Node) -> list[str]:
    """The types of a node's GPUs, as Ray names them."""
    return [name.removeprefix(GPU_TYPE) for name in node if name.startswith(GPU_TYPE)]


def _gpus(count: float, *types: str) -> str:
    kind = "".join(f" ({name})" for name in types if name)
    return f" and {_count(count, 'GPU')}{kind}" if count else ""


def _count(count: float, what: str) -> str:
    return f"{count:g} {what}{'' if count == 1 else 's'}"
