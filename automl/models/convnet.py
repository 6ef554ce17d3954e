"""Plain convolutional network: 3×3 convolution, batch norm, ReLU, pooling; then an average."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from automl.config import UserError
from automl.models.family import Group, Model, block_groups, chain


@dataclass(frozen=True)
class ConvNet(Model):
    """One block per entry of `channels`; each halves the image while it is above 2 × 2."""

    channels: tuple[int, ...]

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        if len(input_shape) != 3:
            raise UserError(
                f"ConvNet needs images (channels, height, width), not rows of shape {input_shape}; "
                "choose MLP for tables"
            )
        sizes = (input_shape[0], *self.channels)
        smallest = min(input_shape[1:])
        layers: list[tuple[str, nn.Module]] = []
        for i, width in enumerate(self.channels):
            conv = nn.Conv2d(sizes[i], width, 3, padding=1, bias=False)
            block: list[tuple[str, nn.Module]] = [("conv", conv), ("norm", nn.BatchNorm2d(width))]
            block.append(("relu", nn.ReLU()))
            if smallest > 2:
                block.append(("pool", nn.MaxPool2d(2)))
                smallest //= 2
            layers.append((f"block{i}", chain(block)))
        layers += [("average", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
        return chain([*layers, ("head", nn.Linear(sizes[-1], num_outputs))])

    def groups(self) -> list[Group]:
        return block_groups(self.channels, "conv")

    def with_widths(self, sizes: tuple[int, ...]) -> ConvNet:
        return replace(self, channels=sizes)
