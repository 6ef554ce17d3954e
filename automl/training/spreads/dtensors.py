"""Copies of a module whose parameters are torch's DTensors: in pieces, on several ranks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from types import MethodType
from typing import TypeAlias, TypeGuard

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    RowwiseParallel,
    parallelize_module,
)
from torch.nn import functional as F

from automl.models.family import Network
from automl.training.batch_norm import Added
from automl.training.parallel import SharedRows, Spread, Trainee, rank, world_size

Convolution: TypeAlias = nn.Conv1d | nn.Conv2d


class InPieces(Spread):
    """A copy of the module whose parameters are DTensors, and an optimizer of its own."""

    def __init__(self, trainee: Trainee, cut: Callable[[nn.Module, DeviceMesh], None]) -> None:
        module = copy.deepcopy(trainee.module)
        device = next(module.parameters()).device.type
        cut(module, init_device_mesh(device, (world_size(),)))
        super().__init__(trainee, module, trainee.build(module))
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        state = {
            index: {name: _like(value, parameters[index]) for name, value in values.items()}
            for index, values in trainee.optimizer.state_dict()["state"].items()
        }
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})

    def gather(self) -> None:
        plain, weights = self.trainee, self.module.state_dict().items()
        plain.module.load_state_dict({name: _whole(tensor) for name, tensor in weights})
        state = {
            index: {name: _whole(value) for name, value in values.items()}
            for index, values in self.optimizer.state_dict()["state"].items()
        }
        groups = plain.optimizer.state_dict()["param_groups"]
        plain.optimizer.load_state_dict({"state": state, "param_groups": groups})


class ShardedRows(SharedRows, InPieces):
    """Pieces on ranks that learn from different rows."""


def _whole(value: object) -> object:
    return value.full_tensor() if isinstance(value, DTensor) else value


def _like(value: object, parameter: Tensor) -> object:
    """A value of an optimizer's state; one of a parameter's shape is cut like the parameter."""
    if not isinstance(parameter, DTensor) or not isinstance(value, Tensor):
        return value
    if value.shape != parameter.shape:
        return value
    return distribute_tensor(value, parameter.device_mesh, parameter.placements)


def _networks(module: nn.Module) -> Iterator[Network]:
    return (part for part in module.modules() if isinstance(part, Network))


def shard(module: nn.Module, mesh: DeviceMesh) -> None:
    """Cut each block by itself, then the layers outside of blocks."""
    # FSDP takes no weights in another format.
    module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for network in _networks(module):
        for block in network.body.children():
            if next(block.parameters(), None) is not None:
                fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)


def cut_layers(module: nn.Module, mesh: DeviceMesh) -> None:
    for network in _networks(module):
        parallelize_module(network.body, mesh, _styles(network, mesh.size()))
        for layer in network.body.modules():
            if _divides(layer, mesh.size()):
                _cut_convolution(layer, mesh)


def _styles(network: Network, ranks: int) -> dict[str, ParallelStyle]:
    """The way in which each linear layer is cut, by its name.

    Where linear layers alone make the units of a group and read them, the units stay on their
    ranks in between. Other layers give their units to all ranks at once.
    """
    linear = {n: layer for n, layer in network.body.named_modules() if type(layer) is nn.Linear}
    styles: dict[str, ParallelStyle] = {}
    for group in network.spec.model.groups():
        reading = {part.name.rpartition(".")[0] for part in group.consumed}
        touched = {*group.makers, *reading}
        if group.size % ranks == 0 and touched <= linear.keys() and not touched & styles.keys():
            styles |= {name: ColwiseParallel() for name in group.makers}
            styles |= {name: RowwiseParallel() for name in reading}
    for name, layer in linear.items():
        if name not in styles and layer.out_features % ranks == 0:
            styles[name] = ColwiseParallel(output_layouts=Replicate())
    return styles


def _divides(layer: nn.Module, ranks: int) -> TypeGuard[Convolution]:
    """True of a plain convolution whose output channels divide by the ranks."""
    if not isinstance(layer, Convolution) or type(layer) not in (nn.Conv1d, nn.Conv2d):
        return False
    is_plain = layer.groups == 1 and layer.padding_mode == "zeros"
    return is_plain and layer.out_channels % ranks == 0


def _cut_convolution(layer: Convolution, mesh: DeviceMesh) -> None:
    """Cut a convolution by its output channels, by hand: through DTensor it is silently wrong."""
    for name, parameter in list(layer.named_parameters()):
        piece = distribute_tensor(parameter.detach(), mesh, [Shard(0)])
        setattr(layer, name, nn.Parameter(piece, requires_grad=parameter.requires_grad))
    layer.forward = MethodType(_convolve, layer)  # type: ignore[method-assign]


def _convolve(layer: Convolution, inputs: Tensor) -> Tensor:
    """All channels (rows, channels, *space) of a convolution whose weights are cut."""
    convolve: Callable[..., Tensor] = F.conv1d if inputs.dim() == 3 else F.conv2d
    weight, bias = _own(layer.weight), None if layer.bias is None else _own(layer.bias)
    options = (layer.stride, layer.padding, layer.dilation)
    own = convolve(_Seen.apply(inputs), weight, bias, *options)  # type: ignore[no-untyped-call]
    outputs: Tensor = _Joined.apply(own)  # type: ignore[no-untyped-call]
    return outputs


def _own(parameter: Tensor) -> Tensor:
    """The piece of a cut parameter that this rank holds."""
    assert isinstance(parameter, DTensor)
    return parameter.to_local()


class _Seen(torch.autograd.Function):
    """A tensor of any shape that every rank reads: its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: FunctionCtx, values: Tensor) -> Tensor:
        """The tensor itself, of the same shape."""
        return values.view_as(values)

    backward = Added.backward


class _Joined(torch.autograd.Function):
    """The channels of all ranks (rows, channels, ...), from those of each."""

    @staticmethod
    def forward(ctx: FunctionCtx, own: Tensor) -> Tensor:
        """All channels (rows, channels, *space), given those of this rank."""
        parts = [torch.empty_like(own) for _ in range(world_size())]
        dist.all_gather(parts, own.contiguous())
        return torch.cat(parts, dim=1)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        """The gradients (rows, channels, *space) of this rank's channels."""
        return gradients[0].chunk(world_size(), dim=1)[rank()].contiguous()
