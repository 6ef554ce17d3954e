"""Trials that run at once, planned from the resources of each node of the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl.errors import UserError

Node = Mapping[str, float]
"""Resources of a node by Ray's names, "CPU" and "GPU" among them."""
ROUNDING = 1e-9


@dataclass(frozen=True)
class Request:
    """Resources of a trial, or of each of its workers, and the most trials at once.

    `concurrency` is None for as many as fit. Raises UserError on what cannot be had.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    concurrency: int | None = None

    def __post_init__(self) -> None:
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise UserError(
                f"--gpus-per-trial {self.gpus}: above one it must be whole; "
                "a share, as 0.25, is of a single GPU"
            )

    @property
    def is_one_core(self) -> bool:
        """True when each core of a machine runs a trial, and nothing else does."""
        return self.cpus <= 1 and not self.gpus and self.concurrency is None


@dataclass(frozen=True)
class Plan:
    """Trials of one request on the nodes of a cluster.

    `num_workers` are those of one trial, 0 where a trial is one process. A process has its CPUs
    and GPUs on one node; the workers of a trial may be on several.
    """

    request: Request
    num_workers: int
    nodes: Sequence[Node]

    @property
    def capacity(self) -> int:
        """Trials that the nodes hold at once."""
        return sum(self._num_processes(node) for node in self.nodes) // max(1, self.num_workers)

    @property
    def slots(self) -> int:
        """Trials that run at once; 0 when not one fits."""
        return min(self.capacity, self.request.concurrency or self.capacity)

    @property
    def max_live(self) -> int:
        """Trials that may be started and not ended: one more than run at once, to wait.

        Tune ends an actor that no waiting trial wants. A trial that would not have to wait,
        because the nodes could hold it or it holds next to nothing, would be one too many at
        once.
        """
        is_full = self.slots == self.capacity
        return self.slots + 1 if is_full and not self.num_workers else self.slots

    def check(self) -> None:
        """Raise UserError when not one trial fits."""
        if not self.capacity:
            raise UserError(self.shortage())

    def shortage(self) -> str:
        """The reason that not one trial fits, in a sentence."""
        return (
            f"one trial needs {max(1, self.num_workers)} × {self.request.cpus:g} CPUs"
            f"{_gpus(self.request.gpus)}, the cluster has {summarize_nodes(self.nodes)}; "
            "lower --workers-per-trial, --cpus-per-trial or --gpus-per-trial"
        )

    def summary(self) -> str:
        """The plan in words: the slots, what a trial takes, and what each node holds."""
        cpus = self.request.cpus
        each = f"{cpus:g} CPU{'s' if cpus != 1 else ''}{_gpus(self.request.gpus)}"
        held = ", ".join(f"{self._num_processes(node)} on {_kind(node)}" for node in self.nodes)
        what = "trials"
        if self.num_workers > 1:
            each, what = f"{self.num_workers} workers of {each}", "workers"
        return f"{self.slots} trials at once, each with {each}; {what} that each node holds: {held}"

    def _num_processes(self, node: Node) -> int:
        """Processes of the request that a node holds."""
        cpus, gpus = self.request.cpus, self.request.gpus
        fits = int(node.get("CPU", 0.0) / cpus + ROUNDING)
        if gpus:
            own = node.get("GPU", 0.0)
            # A share is of one GPU: what is left of two does not add up to a third.
            shares = int(own) * int(1 / gpus + ROUNDING)
            fits = min(fits, shares if gpus < 1 else int(own / gpus + ROUNDING))
        return fits


def summarize_nodes(nodes: Sequence[Node]) -> str:
    """The nodes in words, like ones together: `nodes: 2 of 4 CPUs and 1 GPUs, 1 of 8 CPUs`."""
    kinds = [_kind(node) for node in nodes]
    counts = [f"{kinds.count(kind)} of {kind}" for kind in dict.fromkeys(kinds)]
    return f"nodes: {', '.join(counts)}" if counts else "no node"


def _kind(node: Node) -> str:
    return f"{node.get('CPU', 0):g} CPUs{_gpus(node.get('GPU', 0.0))}"


def _gpus(count: float) -> str:
    return f" and {count:g} GPUs" if count else ""
