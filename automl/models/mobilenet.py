"""Inverted residual blocks of depthwise-separable convolutions. https://arxiv.org/abs/1801.04381"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from automl.field_types import Count
from automl.models.building_blocks import Residual
from automl.models.family import chain
from automl.models.staged import Place, Stage, Staged


@dataclass(frozen=True)
class MobileNetStage(Stage):
    """Inside, each block is `expansion` times as wide as what it reads, or as `inner` says."""

    expansion: Count = 4

    def default_inner(self, inputs: int) -> int:
        return self.expansion * inputs


@dataclass(frozen=True)
class MobileNet(Staged):
    """Inverted bottlenecks: 1 x 1 convolutions up and down, a depthwise one between them.

    A block adds what it makes of an image to the image, but for the first of each later stage,
    which halves the image (https://arxiv.org/abs/1801.04381).
    """

    stages: tuple[MobileNetStage, ...] = (
        MobileNetStage(16),
        MobileNetStage(24),
        MobileNetStage(40),
    )
    kernel_size: Count = 3
    activation: str = "relu"
    normalisation: str = "batch"
    path: ClassVar[tuple[str, ...]] = ("expand", "depthwise", "project")
    has_shortcut: ClassVar[bool] = False

    def block(self, at: Place) -> nn.Module:
        inner = at.inner
        path = chain(
            [
                ("expand", at.convolution(at.inputs, inner, 1)),
                ("depthwise", at.convolution(inner, inner, stride=at.stride, groups=inner)),
                *at.gate(inner),
                ("project", at.convolution(inner, at.outputs, 1, active=False)),
            ]
        )
        return chain([("path", path)]) if at.begins else Residual(path)
