"""Averages of the weights that a training passes through: they are validated and handed on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from automl.config import Config
from automl.data.dataset import evenly
from automl.field_types import From0Below1
from automl.models.deployed import seen_by
from automl.models.family import Network, tensor_state
from automl.models.plain_layers import BATCH_NORMS
from automl.recipe import STATISTICS_ROWS, Context
from automl.training.batch_norm import estimate_anew
from automl.training.parallel import agree, send_to_all, world_size

AVERAGE, NUM_AVERAGED = "average", "num_averaged"
"""Names under which the state of an optimizer holds a weight's average, and of how many it is."""


class Average(Config):
    """Base of the averages of weights over the steps of a training.

    The training itself goes on from its own weights. The average is what is validated after each
    epoch, and what the step leaves, with batch-norm statistics made anew on training rows.
    """

    def begins(self, progress: float) -> bool:
        """Tell if the weights of an epoch count, when a share `progress` is done at its end."""
        return True

    def newest_share(self, num_averaged: int) -> float:
        """The share of the newest weights in the average, beside those of so many steps before."""
        raise NotImplementedError


@dataclass(frozen=True)
class EMA(Average):
    """Exponential moving average of the weights after each step.

    A step keeps `decay` of the average; early in a training less, (1 + n) / (10 + n) after n
    steps, so that the first weights are soon forgotten.
    """

    decay: From0Below1 = 0.999

    def newest_share(self, num_averaged: int) -> float:
        return 1 - min(self.decay, (1 + num_averaged) / (10 + num_averaged))


@dataclass(frozen=True)
class SWA(Average):
    """Mean of the weights after each step of the last epochs, from a share `start` of them on.

    It suits a learning rate that does not fall to 0. https://arxiv.org/abs/1803.05407
    """

    start: From0Below1 = 0.75

    def begins(self, progress: float) -> bool:
        return progress > self.start

    def newest_share(self, num_averaged: int) -> float:
        return 1 / (1 + num_averaged)


class Averaging:
    """The average of the weights of a module that learns, and of the model in it.

    It is kept in the state of the optimizers that move the weights. So it is gathered from ranks,
    checkpointed and restored with that. Without an `average` nothing is kept and put anywhere.
    `train` has the module learn as in an epoch before which a share of the training was done.
    """

    def __init__(
        self,
        average: Average | None,
        module: nn.Module,
        model: Network,
        context: Context,
        train: Callable[[float], None],
    ) -> None:
        self.average, self.module, self.model = average, module, model
        self.context, self.train = context, train
        self.done, self.is_counting = 0.0, False

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Begin an epoch, counted from 0, of so many."""
        self.done = epoch / epochs
        self.is_counting = self.average is not None and self.average.begins((epoch + 1) / epochs)

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Have the weights that an optimizer moves averaged after its every step."""
        if self.average is not None:
            optimizer.register_step_post_hook(self._count)

    @contextmanager
    def in_place(self, optimizer: torch.optim.Optimizer) -> Iterator[None]:
        """Have the averages stand in the module until the body ends, as `put` does."""
        if self.average is None:
            yield
            return
        own = {name: value.clone() for name, value in tensor_state(self.module).items()}
        self.put(optimizer)
        yield
        for name, value in tensor_state(self.module).items():
            value.copy_(own[name])
        if world_size() > 1:
            # A rank that goes on may ask another one for its weights.
            dist.barrier()

    def put(self, optimizer: torch.optim.Optimizer) -> None:
        """Put the averages that an optimizer has, if any, into the module on every rank, and make
        the statistics of the batch norms that learn anew."""
        averages = [(p, _average(optimizer, p)) for p in self.module.parameters()]
        if self.average is None or not agree(any(average is not None for _, average in averages)):
            return
        with torch.no_grad():
            for parameter, average in averages:
                if average is not None:
                    parameter.copy_(average)
        send_to_all(self.module)
        self.train(self.done)
        norms = [
            layer
            for layer in self.model.modules()
            if isinstance(layer, BATCH_NORMS) and layer.training and layer.track_running_stats
        ]
        if norms:
            rows, info = evenly(self.context.data.train, STATISTICS_ROWS), self.context.data.info
            inputs = seen_by(self.model, rows.inputs, info).to(self.context.device)
            estimate_anew(self.model, norms, inputs)
            send_to_all(self.model)

    @torch.no_grad()
    def _count(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        """Move the averages towards the weights that an optimizer has just moved."""
        if self.average is None or not self.is_counting:
            return
        alike: dict[int, list[tuple[Tensor, Tensor]]] = {}
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            average = _average(optimizer, parameter)
            if average is not None:
                state = optimizer.state[parameter]
                alike.setdefault(state[NUM_AVERAGED], []).append((average, parameter))
                state[NUM_AVERAGED] += 1
            elif parameter.grad is not None:
                started = {AVERAGE: parameter.detach().clone(), NUM_AVERAGED: 1}
                optimizer.state[parameter].update(started)
        for num_averaged, pairs in alike.items():
            _move(pairs, self.average.newest_share(num_averaged))


def _average(optimizer: torch.optim.Optimizer, parameter: Tensor) -> Tensor | None:
    average: Tensor | None = optimizer.state.get(parameter, {}).get(AVERAGE)
    return average


def _move(pairs: list[tuple[Tensor, Tensor]], share: float) -> None:
    """Move the first of each pair a share of the way to the second, both of any shape."""
    if all(type(parameter) is nn.Parameter for _, parameter in pairs):
        averages, parameters = map(list, zip(*pairs))
        get_ema_multi_avg_fn(1 - share)(averages, parameters, 0)  # type: ignore[no-untyped-call]
        return
    # Those in pieces, as DTensor, cannot be moved together with those that are whole.
    for average, parameter in pairs:
        average.lerp_(parameter, share)
