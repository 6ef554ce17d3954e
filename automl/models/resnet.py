"""Residual network of basic blocks. https://arxiv.org/abs/1512.03385"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from automl.field_types import Count
from automl.models.building_blocks import Residual, activation
from automl.models.family import chain
from automl.models.staged import Place, Stage, Staged


@dataclass(frozen=True)
class ResNetStage(Stage):
    """`inner` is what the first convolution of each block gives: the stage's width by default."""

    def default_inner(self, inputs: int) -> int:
        return self.width


@dataclass(frozen=True)
class ResNet(Staged):
    """Residual network: each block adds what two convolutions make of an image to the image.

    Each later stage begins with halving the image (https://arxiv.org/abs/1512.03385).
    """

    stages: tuple[ResNetStage, ...] = (ResNetStage(16), ResNetStage(32), ResNetStage(64))
    kernel_size: Count = 3
    activation: str = "relu"
    normalisation: str = "batch"
    path: ClassVar[tuple[str, ...]] = ("first", "second")
    has_shortcut: ClassVar[bool] = True
    gates_inside: ClassVar[bool] = False

    def block(self, at: Place) -> nn.Module:
        path = [
            ("first", at.convolution(at.inputs, at.inner, stride=at.stride)),
            ("second", at.convolution(at.inner, at.outputs, active=False)),
            *at.gate(at.outputs),
        ]
        shortcut = None
        if at.begins:
            shortcut = at.convolution(at.inputs, at.outputs, 1, stride=at.stride, active=False)
        return Residual(chain(path), shortcut, activation(self.activation))
