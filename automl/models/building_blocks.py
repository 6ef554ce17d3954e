"""Parts that families share: layers by name, blocks of layers, and slices of a block's units.

Group normalisation: https://arxiv.org/abs/1803.08494
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from automl.errors import UserError, unknown
from automl.models.family import Group, ModelFamily, Slice, chain

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
}
"""Each maps 0 to 0, so that a unit whose weights are 0 is as good as removed."""

NORMALISATIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "batch": lambda width, dims: (nn.BatchNorm1d, nn.BatchNorm2d)[dims - 1](width),
    "group": lambda width, dims: nn.GroupNorm(width // 8 if width % 8 == 0 else 1, width),
    "layer": lambda width, dims: nn.GroupNorm(1, width),
    "none": lambda width, dims: nn.Identity(),
}

PER_UNIT = {
    "batch": ("norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"),
    "none": ("{layer}.bias",),
}
"""The tensors beside the weights that make a unit; other normalisations mix the units."""

KINDS = {2: "series (channels, steps)", 3: "images (channels, height, width)"}
INSTEAD = {1: "MLP for tables", 2: "ConvNet1d for series", 3: "ConvNet for images"}


class Residual(nn.Module):
    """Adds the outputs of a path to its inputs, or to a shortcut of these; all of one shape."""

    def __init__(
        self,
        path: nn.Module,
        shortcut: nn.Module | None = None,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.path = path
        self.shortcut = shortcut or nn.Identity()
        self.activation = activation or nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.activation(self.shortcut(inputs) + self.path(inputs))
        return outputs


class LayerScale(nn.Module):
    """Multiplies each number of a token by one that is learned, (..., width), at first a small one.

    https://arxiv.org/abs/2103.17239
    """

    def __init__(self, width: int, initial: float) -> None:
        super().__init__()
        self.num_features = width
        self.weight = nn.Parameter(torch.full((width,), initial))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * self.weight


class SqueezeExcite(nn.Module):
    """Multiplies each channel by a gate, which two small layers make of the means of all channels.

    https://arxiv.org/abs/1709.01507
    """

    def __init__(self, channels: int, hidden: int, dims: int) -> None:
        super().__init__()
        kind = (nn.Conv1d, nn.Conv2d)[dims - 1]
        self.reduce, self.expand = kind(channels, hidden, 1), kind(hidden, channels, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """The gated channels (rows, channels, *space)."""
        means = inputs.mean(tuple(range(2, inputs.dim())), keepdim=True)
        return inputs * torch.sigmoid(self.expand(self.reduce(means).relu()))


class Transpose(nn.Module):
    """Turns (rows, channels, steps) into (rows, steps, channels), and back."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.transpose(1, 2)


def check_shape(family: ModelFamily, shape: tuple[int, ...], *dims: int) -> None:
    """Raise UserError when rows do not have one of these numbers of dimensions."""
    if len(shape) not in dims:
        needed = " or ".join(KINDS[number] for number in dims)
        instead = INSTEAD.get(len(shape), "MLP, which takes any shape")
        raise UserError(
            f"{type(family).__name__} needs {needed}, not rows of shape {shape}; choose {instead}"
        )


def activation(name: str) -> nn.Module:
    if name not in ACTIVATIONS:
        raise UserError(unknown("activation", name, list(ACTIVATIONS)))
    return ACTIVATIONS[name]()


def normalisation(name: str, width: int, dims: int) -> nn.Module:
    """Over rows, channels, and one or two more dimensions (`dims` 1: or none)."""
    if name not in NORMALISATIONS:
        raise UserError(unknown("normalisation", name, list(NORMALISATIONS)))
    return NORMALISATIONS[name](width, dims)


@dataclass(frozen=True)
class ConvolutionStyle:
    """Settings that the convolutions of a family share; `dims` are 1 or 2, along which they go."""

    kernel_size: int
    normalisation: str
    activation: str = ""
    dims: int = 2


def convolution(
    inputs: int, outputs: int, style: ConvolutionStyle, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution that keeps the size but for its stride, its normalisation, its activation."""
    kernel_size, norm = style.kernel_size, style.normalisation
    if kernel_size % 2 == 0:
        raise UserError(f"kernel_size {kernel_size} is even; choose an odd one, e.g. 3 or 5")
    conv = (nn.Conv1d, nn.Conv2d)[style.dims - 1](
        inputs,
        outputs,
        kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        groups=groups,
        bias=norm == "none",
    )
    layers = [("conv", conv), ("norm", normalisation(norm, outputs, style.dims))]
    if style.activation:
        layers.append(("activation", activation(style.activation)))
    return chain(layers)


def makers(norm: str, *blocks: str, layer: str = "conv") -> tuple[Slice, ...]:
    """The slices in which blocks of a `layer` and a `norm` make their units."""
    names = [name.format(layer=layer) for name in (f"{layer}.weight", *PER_UNIT[norm])]
    return tuple(Slice(f"{block}.{name}", 0) for block in blocks for name in names)


def readers(*layers: str) -> tuple[Slice, ...]:
    """The slices in which layers read their inputs."""
    return tuple(Slice(f"{layer}.weight", 1) for layer in layers)


def check_pools(channels: tuple[int, ...], pools: tuple[int, ...]) -> None:
    """Raise UserError when given pools do not count one number per block."""
    if pools and (len(pools) != len(channels) or min(pools) < 0):
        raise UserError(f"pools {pools}: give how often each of {len(channels)} blocks halves")


def halvings(blocks: int, size: int, least: int) -> tuple[int, ...]:
    """The number of halvings of a size after each of a chain of blocks: one, while the size is
    `least` or more."""
    halved = []
    for _ in range(blocks):
        halved.append(int(size >= least))
        size //= 2 ** halved[-1]
    return tuple(halved)


def shorter_chains(
    sizes: tuple[int, ...], pools: tuple[int, ...]
) -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...]]]:
    """Each block that can go, with the widths and the pools that are then left.

    `sizes` are the widths from the input's on, `pools` how often each block halves: what the
    block that goes did falls to the one before it.
    """
    for i, own in enumerate(pools):
        if sizes[i] == sizes[i + 1] and (i or not own):
            left = list(pools[:i] + pools[i + 1 :])
            if own:
                left[i - 1] += own
            yield i, sizes[1 : i + 1] + sizes[i + 2 :], tuple(left)


def block_groups(widths: tuple[int, ...], norm: str, layer: str = "conv") -> tuple[Group, ...]:
    """The groups of a chain of blocks `block{i}`, each of a `layer` and a `norm`, then a `head`."""
    if norm not in PER_UNIT:
        return ()
    reading = [f"block{i}.{layer}" for i in range(1, len(widths))] + ["head"]
    return tuple(
        Group(width, makers(norm, f"block{i}", layer=layer), readers(reading[i]))
        for i, width in enumerate(widths)
    )
