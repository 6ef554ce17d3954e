"""How many trials run at once, planned from what the cluster has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from automl.config import UserError


@dataclass(frozen=True)
class Request:
    """What one trial takes, and how many may run at once (None: as many as fit)."""

    cpus: float = 1.0
    gpus: float = 0.0
    concurrency: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("--cpus-per-trial", self.cpus), ("--concurrency", self.concurrency)):
            if value is not None and value <= 0:
                raise UserError(f"{name} {value}: it must be above zero")
        if self.gpus < 0:
            raise UserError(f"--gpus-per-trial {self.gpus}: it must not be negative")


def plan_slots(request: Request, num_workers: int, resources: Mapping[str, float]) -> int:
    """Trials that fit at once, each of so many workers (0: of one process).

    Raises UserError when not one fits.
    """
    num_workers = max(1, num_workers)
    fits = [resources.get("CPU", 0.0) / (request.cpus * num_workers)]
    if request.gpus:
        fits.append(resources.get("GPU", 0.0) / (request.gpus * num_workers))
    slots = int(min(fits) + 1e-9)
    if slots == 0:
        raise UserError(
            f"one trial needs {num_workers} × {request.cpus:g} CPUs and {request.gpus:g} GPUs, "
            f"the cluster has {resources.get('CPU', 0):g} and {resources.get('GPU', 0):g}; "
            "lower --workers-per-trial, --cpus-per-trial or --gpus-per-trial"
        )
    return min(slots, request.concurrency or slots)
