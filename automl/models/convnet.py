"""Plain convolutional network: convolution, normalisation, activation, pooling; then an average."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from automl.models.family import Group, Model, chain
from automl.models.layers import block_groups, check_shape, convolution


@dataclass(frozen=True)
class ConvNet(Model):
    """One block per entry of `channels`; each halves the image while both sides keep 2 pixels."""

    channels: tuple[int, ...] = (16, 32)
    kernel_size: int = 3
    activation: str = "relu"
    normalisation: str = "batch"

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        check_shape(self, input_shape, 3)
        sizes = (input_shape[0], *self.channels)
        smallest = min(input_shape[1:])
        layers: list[tuple[str, nn.Module]] = []
        for i, width in enumerate(self.channels):
            block = convolution(
                sizes[i], width, self.kernel_size, self.normalisation, act=self.activation
            )
            layers.append((f"block{i}", block))
            if smallest >= 4:
                layers.append((f"pool{i}", nn.MaxPool2d(2)))
                smallest //= 2
        layers += [("average", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
        return chain([*layers, ("head", nn.Linear(sizes[-1], num_outputs))])

    def groups(self) -> tuple[Group, ...]:
        return block_groups(self.channels, self.normalisation)

    def with_widths(self, sizes: tuple[int, ...]) -> ConvNet:
        return replace(self, channels=sizes)
