"""Parallelism: how a plain model is spread over the ranks of a trial, and gathered again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from automl.config import Config, Count

T = TypeVar("T")


class Parallelism(Config):
    """How one training step uses the ranks of its trial.

    `num_workers` is how many Train workers it needs; 0 means the trial's own process.
    """

    num_workers: int = 0

    def share(self) -> tuple[int, int]:
        """(i, n): this rank takes the i-th of n equal shares of every batch."""
        return 0, 1

    def wrap(self, model: nn.Module) -> nn.Module:
        """The module to call while training; gradients end on the plain model's parameters."""
        raise NotImplementedError

    def unwrap(self, model: nn.Module) -> None:
        """Make the plain model the same on every rank."""


@dataclass(frozen=True)
class SingleDevice(Parallelism):
    """No spreading; where a trial has several ranks for another step, each does the same."""

    def wrap(self, model: nn.Module) -> nn.Module:
        return model


@dataclass(frozen=True)
class DataParallel(Parallelism):
    """Each rank takes its share of every batch; gradients are averaged (torch's DDP)."""

    num_workers: Count = 2

    def share(self) -> tuple[int, int]:
        return rank(), world_size()

    def wrap(self, model: nn.Module) -> nn.Module:
        return DistributedDataParallel(model)

    def unwrap(self, model: nn.Module) -> None:
        for tensor in model.state_dict().values():
            dist.broadcast(tensor, src=0)


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def agree(value: T) -> T:
    """Rank 0's value, on every rank."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]
