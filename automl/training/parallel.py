"""Parallelism: how a plain module is spread over the ranks of a trial while it trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from automl.config import Config
from automl.errors import words
from automl.field_types import Count
from automl.models.family import tensor_state
from automl.training.batch_norm import share_statistics
from automl.training.batches import Batches, Part, Plan
from automl.training.feed import Planned
from automl.training.losses import BatchLoss, Outputs
from automl.training.precision import gradient_scaler

T = TypeVar("T")


@dataclass(frozen=True)
class Trainee:
    """A plain module that is to learn, the same on every rank between epochs, and its optimizer.

    `called` is the module, or its compiled form. `build` makes an optimizer for another form of
    the module or a part of it. `outputs` calls either as the step wants it called. Through
    `scaler` go the gradients of fp16. Where not `all_learn`, some parameter that could got no
    gradient from the first rows.
    """

    module: nn.Module
    called: nn.Module
    optimizer: torch.optim.Optimizer
    build: Callable[[nn.Module], torch.optim.Optimizer]
    outputs: Callable[[nn.Module, Tensor], Outputs]
    scaler: torch.amp.GradScaler = field(default_factory=lambda: gradient_scaler("fp32", "cpu"))
    all_learn: bool = True


class Spread:
    """A trainee while it learns on the ranks; `gather` brings the plain one up to date."""

    def __init__(
        self, trainee: Trainee, module: nn.Module, optimizer: torch.optim.Optimizer
    ) -> None:
        self.trainee, self.module, self.optimizer = trainee, module, optimizer

    def planned(self, plan: Plan, epoch: int, batches: Batches) -> Iterator[Planned]:
        """This rank's batches of an epoch, in their order."""
        return batches.ahead(plan.of_epoch(epoch, len(batches)))

    def learn(self, part: Part, loss: BatchLoss, divisor: float) -> Tensor:
        """Add the gradients of a part's loss over `divisor`; returns the loss, of shape ()."""
        part_loss = part.loss(loss, self.trainee.outputs(self.module, part.inputs))
        self.trainee.scaler.scale(part_loss / divisor).backward()  # type: ignore[no-untyped-call]
        return part_loss.detach()

    def step(self, learning_rate: float) -> None:
        """Move the weights by the gradients, and forget these."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.trainee.scaler.unscale_(self.optimizer)
        self.trainee.scaler.step(self.optimizer)
        self.trainee.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def over_ranks(self, loss: Tensor, rows: int) -> tuple[float, int]:
        """The loss and the rows of all ranks, given the loss, of shape (), and rows of this one."""
        return loss.item(), rows

    def gather(self) -> None:
        """Bring the plain module up to date on every rank, its optimizer on rank 0 at least."""

    def figures(self) -> dict[str, float]:
        """Figures to be added to the report of an epoch, by their names."""
        return {}

    def close(self) -> None:
        """End all threads that work beside the ranks."""


class Parallelism(Config):
    """Base of the ways in which a training step uses the ranks of its trial.

    `num_workers` is the number of Train workers that it needs; 0 means the trial's own process.
    `scales_gradients` is True where it can train in fp16. `may_repeat` is True where a batch that
    ran out of memory may be learned from anew in smaller parts, on a rank that is alone.
    """

    num_workers: int = 0
    may_repeat: ClassVar[bool] = False
    takes_compiled: ClassVar[bool] = False
    scales_gradients: ClassVar[bool] = False

    def share(self) -> tuple[int, int]:
        """(i, n): this rank takes the i-th of n equal shares of every batch."""
        return 0, 1

    def prepare(self, module: nn.Module) -> None:
        """Change how the plain module computes, where its rows are on several ranks."""

    def over_ranks(self, squares: Tensor) -> Tensor:
        """The sum, of shape (), over the ranks whose optimizers move weights of their own."""
        return squares

    def spread(self, trainee: Trainee) -> Spread:
        """Begin to train. Raises Rejected where the module cannot be spread so."""
        raise NotImplementedError


@dataclass(frozen=True)
class SingleDevice(Parallelism):
    """No spreading; where a trial has several ranks for another step, each computes the same."""

    may_repeat: ClassVar[bool] = True
    takes_compiled: ClassVar[bool] = True
    scales_gradients: ClassVar[bool] = True

    def spread(self, trainee: Trainee) -> Spread:
        return Spread(trainee, trainee.called, trainee.optimizer)


@dataclass(frozen=True)
class DataParallel(Parallelism):
    """Each rank takes its share of every batch; gradients are averaged (torch's DDP)."""

    num_workers: Count = 2
    takes_compiled: ClassVar[bool] = True
    scales_gradients: ClassVar[bool] = True

    def share(self) -> tuple[int, int]:
        return rank(), world_size()

    def prepare(self, module: nn.Module) -> None:
        share_statistics(module)

    def spread(self, trainee: Trainee) -> Spread:
        # What a rank waits for in vain must be looked for, which takes time at every batch.
        seeks = not trainee.all_learn
        wrapped = DistributedDataParallel(trainee.called, find_unused_parameters=seeks)
        return _Replicated(trainee, wrapped, trainee.optimizer)


class SharedRows(Spread):
    """A spread over ranks that learn from different rows."""

    def over_ranks(self, loss: Tensor, rows: int) -> tuple[float, int]:
        """The sums, over all ranks, of the loss (a scalar) and of the rows."""
        count = torch.tensor(rows, dtype=torch.float64, device=loss.device)
        both = torch.stack([loss.double(), count])
        dist.all_reduce(both)
        return both[0].item(), round(both[1].item())


class _Replicated(SharedRows):
    def gather(self) -> None:
        send_to_all(self.trainee.module)


def rank() -> int:
    """The number of this process among the ranks of its trial."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """The number of ranks of the trial."""
    return dist.get_world_size() if dist.is_initialized() else 1


def lost_peer(error: BaseException) -> bool:
    """True of an error that a rank meets when another rank is gone."""
    return isinstance(error, dist.DistError) or "gloo" in words(error)


def agree(value: T, source: int = 0) -> T:
    """The value of the rank `source`, on every rank."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=source)
    return box[0]


def send_to_all(module: nn.Module) -> None:
    """Have a module be on every rank what it is on rank 0."""
    if world_size() > 1:
        for tensor in tensor_state(module).values():
            dist.broadcast(tensor, src=0)


def least(value: int) -> int:
    """The least of the ranks' values, on every rank."""
    values: list[int | None] = [value] * world_size()
    if world_size() > 1:
        dist.all_gather_object(values, value)
    return min(one for one in values if one is not None)
