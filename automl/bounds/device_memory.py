"""The memory of a device that a trial takes, estimated from its config and shapes alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from automl.config import canonical
from automl.data.dataset import DatasetInfo
from automl.models.empty_networks import EMPTY, empty_network
from automl.models.family import ModelFamily, Spec, seen_shape
from automl.models.layer_shapes import family_of
from automl.recipe import Sibling
from automl.space.space import TrialConfig
from automl.space.store_keys import sibling_config
from automl.training.batches import MAX_ROWS_AT_ONCE
from automl.training.loop import Train
from automl.training.optimizers import Optimizer
from automl.training.train_checks import CHECKED_PLACES

NUMBER_BYTES = 4
PREPARED_COPIES = 3
"""Copies of a batch's rows beside what layers keep: raw, as numbers, and scaled."""
ROWS = 2
"""Rows that are passed through an empty network: batch norms want two."""
SIDE = 4
"""The side of a matrix on which an optimizer shows what it keeps of each parameter."""


@dataclass(frozen=True)
class DeviceMemory:
    """The most that a trial holds on its device at once, in parts.

    `state_bytes` are weights, gradients and what the optimizer keeps; `row_bytes` is what a row of
    a batch takes until its gradients are known, and `rows` are the most rows of a batch at once.
    The estimate counts numbers of fp32, and neither the rows of the dataset nor what the device's
    own libraries take.
    """

    state_bytes: int
    row_bytes: int
    rows: int

    @property
    def total_bytes(self) -> int:
        return self.state_bytes + self.row_bytes * self.rows


def device_memory(config: TrialConfig, info: DatasetInfo, num_rows: int) -> DeviceMemory | None:
    """The memory of a trial on `num_rows` training rows: that of its most demanding step, on the
    network as it is before any is made smaller. None where the network's shapes are not known."""
    found = [
        one
        for step in config.recipe
        if isinstance(step, Train)
        for one in _of_training(config, step, info, num_rows)
    ]
    if not found:
        found = [_alone(config.model, info)]
    known = [one for one in found if one is not None]
    if len(known) < len(found):
        return None
    return max(known, key=lambda one: one.total_bytes)


def _of_training(
    config: TrialConfig, step: Train, info: DatasetInfo, num_rows: int
) -> Iterator[DeviceMemory | None]:
    """The memory of one training, after that of the sibling that teaches it."""
    layers, teacher = _layers(config.model, info), 0
    if isinstance(step.teacher, Sibling):
        sibling = sibling_config(config, step.teacher)
        yield device_memory(sibling, info, num_rows)
        taught_by = _layers(sibling.model, info)
        teacher = NUMBER_BYTES * taught_by[0] if taught_by else 0
    elif step.teacher and layers is not None:
        teacher = NUMBER_BYTES * layers[0]
    kept = _numbers_kept(step.optimizer)
    if layers is None or kept is None:
        yield None
        return
    beside = 1 + (step.loss.work_beside() if step.loss else 0.0)
    kept += step.average is not None
    state = NUMBER_BYTES * layers[0] * (2 + kept) * beside + teacher
    row = layers[1] * beside + PREPARED_COPIES * NUMBER_BYTES * math.prod(
        seen_shape(config.model, info)
    )
    yield DeviceMemory(round(state), round(row), _most_rows(step, num_rows))


def _most_rows(step: Train, num_rows: int) -> int:
    """The most rows that a training passes through its network at once."""
    sizes = [step.batch_size.at(place) for place in CHECKED_PLACES]
    size = num_rows if step.optimizer.full_batch else math.ceil(max(sizes))
    ranks = max(1, step.num_workers)
    return max(1, min(math.ceil(size / ranks), num_rows, MAX_ROWS_AT_ONCE))


def _alone(family: ModelFamily, info: DatasetInfo) -> DeviceMemory | None:
    """The memory of a network that is only asked."""
    layers = _layers(family, info)
    return None if layers is None else DeviceMemory(NUMBER_BYTES * layers[0], layers[1], ROWS)


def _layers(family: ModelFamily, info: DatasetInfo) -> tuple[int, int] | None:
    shape = seen_shape(family, info), info.num_outputs, info.num_tokens
    return _numbers_and_row_bytes(canonical(family), *shape)


@lru_cache(maxsize=1024)
def _numbers_and_row_bytes(
    family_text: str, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int
) -> tuple[int, int] | None:
    """The numbers of a family's network, and the bytes that its layers keep of a row for their
    gradients; None where the empty network cannot be passed through."""
    spec = Spec(family_of(family_text).without_weights(), input_shape, num_outputs, num_tokens)
    try:
        network = empty_network(spec).train()
        kind = torch.int64 if num_tokens else torch.float32
        rows = torch.empty(ROWS, *input_shape, dtype=kind, device=EMPTY)
        return _numbers(network), _kept_bytes(network, rows) // ROWS
    except Exception:
        # A module without numbers may raise anything, and one of the user's more than that.
        return None


def _numbers(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in (*network.parameters(), *network.buffers()))


def _kept_bytes(network: nn.Module, rows: Tensor) -> int:
    """The bytes, beside the network's own, that a pass of rows (rows, ...) keeps for gradients."""
    own = {id(t.untyped_storage()) for t in (*network.parameters(), *network.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in own:
            kept[id(storage)] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(rows)
    return sum(storage.nbytes() for storage in kept.values())


def _numbers_kept(optimizer: Optimizer) -> float | None:
    """The numbers that an optimizer keeps for each parameter; None where it cannot be tried."""
    parameter = nn.Parameter(torch.zeros(SIDE, SIDE))
    parameter.grad = torch.ones_like(parameter)
    try:
        built = optimizer.build([parameter])
        built.step()
    except Exception:
        # An optimizer of the user's own may raise anything; its trials will tell.
        return None
    state = [v for v in built.state[parameter].values() if isinstance(v, Tensor)]
    return sum(value.numel() for value in state if value.ndim) / parameter.numel()
