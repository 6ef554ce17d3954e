"""How many trials run at once, planned from what each node of the cluster has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl.errors import UserError

Node = Mapping[str, float]
"""What a node has, by Ray's names."""
ROUNDING = 1e-9


@dataclass(frozen=True)
class Request:
    """What one trial takes, and how many may run at once (None: as many as fit)."""

    cpus: float = 1.0
    gpus: float = 0.0
    concurrency: int | None = None

    def __post_init__(self) -> None:
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise UserError(
                f"--gpus-per-trial {self.gpus}: above one it must be whole; "
                "a share, as 0.25, is of a single GPU"
            )


def room(request: Request, num_workers: int, nodes: Sequence[Node]) -> int:
    """Trials that the nodes hold at once, each of so many workers (0: of one process).

    A process has its CPUs and GPUs on one node; the workers of a trial may be on several.
    """
    return sum(_on_node(request, node) for node in nodes) // max(1, num_workers)


def plan_slots(request: Request, num_workers: int, nodes: Sequence[Node]) -> int:
    """Trials that run at once. Raises UserError when not one fits."""
    slots = room(request, num_workers, nodes)
    if slots == 0:
        raise UserError(lacking(request, num_workers, nodes))
    return min(slots, request.concurrency or slots)


def lacking(request: Request, num_workers: int, nodes: Sequence[Node]) -> str:
    """Why not one trial fits."""
    gpus = f" and {request.gpus:g} GPUs" if request.gpus else ""
    return (
        f"one trial needs {max(1, num_workers)} × {request.cpus:g} CPUs{gpus}, the cluster has "
        f"{described(nodes)}; lower --workers-per-trial, --cpus-per-trial or --gpus-per-trial"
    )


def explained(request: Request, num_workers: int, nodes: Sequence[Node]) -> str:
    """A plan in words: what a trial takes, and what each node holds of it."""
    slots = plan_slots(request, num_workers, nodes)
    gpus = f" and {request.gpus:g} GPUs" if request.gpus else ""
    each = f"{request.cpus:g} CPU{'s' if request.cpus != 1 else ''}{gpus}"
    if num_workers > 1:
        each = f"{num_workers} workers of {each}"
    held = ", ".join(f"{_on_node(request, node)} on {_kind(node)}" for node in nodes)
    what = "workers" if num_workers > 1 else "trials"
    return f"{slots} trials at once, each with {each}; {what} that each node holds: {held}"


def described(nodes: Sequence[Node]) -> str:
    """The nodes in words, like ones together: `nodes: 2 of 4 CPUs and 1 GPUs, 1 of 8 CPUs`."""
    kinds = [_kind(node) for node in nodes]
    counts = [f"{kinds.count(kind)} of {kind}" for kind in dict.fromkeys(kinds)]
    return f"nodes: {', '.join(counts)}" if counts else "no node"


def _kind(node: Node) -> str:
    gpus = f" and {node['GPU']:g} GPUs" if node.get("GPU") else ""
    return f"{node.get('CPU', 0):g} CPUs{gpus}"


def _on_node(request: Request, node: Node) -> int:
    """Processes that a node holds."""
    fits = int(node.get("CPU", 0.0) / request.cpus + ROUNDING)
    if request.gpus:
        gpus = node.get("GPU", 0.0)
        # A share is of one GPU: what is left of two does not add up to a third.
        shares = int(gpus) * int(1 / request.gpus + ROUNDING)
        fits = min(fits, shares if request.gpus < 1 else int(gpus / request.gpus + ROUNDING))
    return fits
