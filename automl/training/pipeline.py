"""Pipeline parallelism: each rank computes some of the layers, on one small part after another.

https://arxiv.org/abs/1811.06965
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor, nn

from automl.errors import Rejected
from automl.field_types import Count
from automl.models.family import Network, chain, count_parameters
from automl.models.plain_layers import BATCH_NORMS
from automl.training.batches import Part
from automl.training.losses import BatchLoss, Outputs
from automl.training.parallel import Parallelism, Spread, Trainee, agree, rank, world_size

if TYPE_CHECKING:
    from torch.distributed.pipelining import ScheduleGPipe


@dataclass(frozen=True)
class Pipeline(Parallelism):
    """Each rank holds a run of a network's layers; a batch passes through in microbatches.

    Their number is `num_microbatches`, or the next smaller number by which a batch divides.
    Batch norms take the moments of a microbatch, which has two rows for them.
    """

    num_workers: Count = 2
    num_microbatches: Count = 4

    def over_ranks(self, squares: Tensor) -> Tensor:
        """The sum, of shape (), over the ranks' runs of layers."""
        dist.all_reduce(squares)
        return squares

    def spread(self, trainee: Trainee) -> Spread:
        network = trainee.module
        if not isinstance(network, Network) or not isinstance(network.body, nn.Sequential):
            raise Rejected("Pipeline needs one chain of layers; use DataParallel instead")
        return _Staged(trainee, stages(network.body, world_size()), self.num_microbatches)


class _Staged(Spread):
    """The layers of this rank, taken from the plain module, and their optimizer."""

    def __init__(self, trainee: Trainee, parts: list[nn.Sequential], num_microbatches: int) -> None:
        optimizer = trainee.build(parts[rank()])
        super().__init__(trainee, parts[rank()], optimizer)
        self.parts, self.num_microbatches = parts, num_microbatches
        self.has_norms = any(isinstance(layer, BATCH_NORMS) for layer in trainee.module.modules())
        self.schedules: dict[tuple[int, torch.Size], ScheduleGPipe] = {}
        self.loss: Callable[[Tensor, Tensor], Tensor]
        for parameter in self.module.parameters():
            if parameter in trainee.optimizer.state:
                optimizer.state[parameter] = trainee.optimizer.state[parameter]

    def learn(self, part: Part, loss: BatchLoss, divisor: float) -> Tensor:
        """Pass a part through all stages; returns its loss, of shape ()."""
        count = len(part.inputs)
        total = torch.zeros((), device=part.inputs.device)

        def of_rows(outputs: Tensor, rows: Tensor) -> Tensor:
            value = part.of(rows).loss(loss, outputs)
            total.add_(value.detach())
            return value / divisor

        self.loss = of_rows
        schedule = self._schedule(part.inputs)
        inputs = (part.inputs,) if rank() == 0 else ()
        if rank() == world_size() - 1:
            schedule.step(*inputs, target=torch.arange(count, device=part.inputs.device))
        else:
            schedule.step(*inputs)
        return total

    def over_ranks(self, loss: Tensor, rows: int) -> tuple[float, int]:
        """The loss (a scalar) that the last rank alone knows, and the rows."""
        dist.broadcast(loss, src=world_size() - 1)
        return loss.item(), rows

    def gather(self) -> None:
        state = self.trainee.optimizer.state
        for owner, part in enumerate(self.parts):
            parameters = list(part.parameters())
            own = [self.optimizer.state.get(p, {}) for p in parameters] if owner == rank() else []
            weights, kept = agree((part.state_dict(), own), owner)
            part.load_state_dict(weights)
            state.update({p: values for p, values in zip(parameters, kept) if values})

    def _schedule(self, inputs: Tensor) -> ScheduleGPipe:
        """The schedule for batches of this shape; each schedule has buffers of its own."""
        # A second of imports, and every process imports this file.
        from torch.distributed.pipelining import PipelineStage, ScheduleGPipe

        count = len(inputs)
        number = divided(count, self.num_microbatches, 2 if self.has_norms else 1)
        if (number, inputs.shape) not in self.schedules:
            shapes = self._shapes(inputs[: count // number])
            stage = PipelineStage(
                *(_Called(self.module, self.trainee.outputs), rank(), world_size()),
                inputs.device,
                input_args=(shapes[rank()],),
                output_args=(shapes[rank() + 1],),
            )
            self.schedules[number, inputs.shape] = ScheduleGPipe(
                stage, number, lambda outputs, rows: self.loss(outputs, rows), scale_grads=False
            )
        return self.schedules[number, inputs.shape]

    def _shapes(self, inputs: Tensor) -> list[Tensor]:
        """An example of the inputs of each stage, and of the last stage's outputs.

        All but the rows themselves, the first, ask for a gradient.
        """
        seen = [inputs]
        for part in self.parts:
            part.eval()
            with torch.no_grad():
                outputs = self.trainee.outputs(part, seen[-1])
            seen.append(_whole(outputs).requires_grad_())
            part.train()
        return seen


def divided(rows: int, most: int, least: int) -> int:
    """The number of microbatches of a batch of `rows`: at most `most`, all of as many rows, and of
    `least` rows or more where there is a choice."""
    return next((n for n in range(most, 1, -1) if rows % n == 0 and rows >= n * least), 1)


class _Called(nn.Module):
    """A part of the network, called as the step calls it.

    Its outputs are contiguous, because only those can be sent.
    """

    def __init__(self, part: nn.Module, outputs: Callable[[nn.Module, Tensor], Outputs]) -> None:
        super().__init__()
        self.part, self.outputs = part, outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """The outputs (rows, ...) of this part for its inputs (rows, ...)."""
        return _whole(self.outputs(self.part, inputs))


def _whole(outputs: Outputs) -> Tensor:
    """The one tensor of a chain's outputs, contiguous."""
    assert isinstance(outputs, Tensor)
    return outputs.contiguous()


def stages(body: nn.Sequential, number: int) -> list[nn.Sequential]:
    """A chain cut into `number` runs of layers, the largest of as few parameters as can be.

    Raises Rejected when there are fewer layers with parameters than runs, or a layer or weight is
    used more than once: each rank would learn its own.
    """
    layers = list(body.named_children())
    sizes = [count_parameters(layer) for _, layer in layers]
    if sum(size > 0 for size in sizes) < number:
        raise Rejected(
            f"Pipeline over {number} workers needs as many blocks with weights; this network has "
            f"{sum(size > 0 for size in sizes)}: take fewer workers or a deeper network"
        )
    until = [0, *accumulate(sizes)]

    @cache
    def best(start: int, runs: int) -> tuple[int, tuple[int, ...]]:
        """The largest run's size and where the runs end, over the layers from `start`."""
        if runs == 1:
            return (until[-1] - until[start] or until[-1] + 1), (len(sizes),)
        found = []
        for end in range(start + 1, len(sizes) - runs + 2):
            size, (largest, ends) = until[end] - until[start], best(end, runs - 1)
            found.append((max(size or until[-1] + 1, largest), (end, *ends)))
        return min(found)

    _, ends = best(0, number)
    runs = [chain(layers[start:end]) for start, end in zip((0, *ends), ends)]
    owners = Counter(id(parameter) for run in runs for parameter in run.parameters())
    if len(layers) < len(body) or max(owners.values()) > 1:
        raise Rejected(
            f"Pipeline over {number} workers cannot cut this chain: layers far from each other "
            "share weights; use DataParallel instead"
        )
    return runs
