"""Blocks of large depthwise convolutions that a gate multiplies.

Gates on convolutions: https://arxiv.org/abs/2211.03295 and https://arxiv.org/abs/2405.07992
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from automl.errors import UserError
from automl.field_types import Count, NotNegative
from automl.models.building_blocks import Residual
from automl.models.family import chain
from automl.models.staged import Place, Stage, Staged


@dataclass(frozen=True)
class GatedStage(Stage):
    """Inside, each block is `expansion` times as wide as what it reads, or as `inner` says."""

    expansion: Count = 2

    def default_inner(self, inputs: int) -> int:
        return self.expansion * inputs


@dataclass(frozen=True)
class GatedConvNet(Staged):
    """Blocks multiply what large depthwise kernels see by gates, which look at one pixel, or one
    step of a series, each.

    A block that begins a later stage has no residual, at whatever size of the rows. With
    `layer_scale` above 0 the last norm of every other block multiplies by so much at first, such as
    0.1: blocks then begin as next to nothing (https://arxiv.org/abs/2103.17239).
    """

    stages: tuple[GatedStage, ...] = (GatedStage(16), GatedStage(24), GatedStage(40))
    kernel_size: Count = 7
    activation: str = "silu"
    normalisation: str = "batch"
    layer_scale: NotNegative = 0.0
    later_fields: ClassVar[Mapping[str, object]] = {"layer_scale": 0.0}
    path: ClassVar[tuple[str, ...]] = ("value", "depthwise", "gate", "project")
    reads: ClassVar[tuple[str, ...]] = ("value", "gate")
    has_shortcut: ClassVar[bool] = False

    num_dims: ClassVar[tuple[int, ...]] = (2, 3)

    def block(self, at: Place) -> nn.Module:
        inner = at.inner
        path = Gated(
            value=at.convolution(at.inputs, inner, 1, active=False),
            depthwise=at.convolution(inner, inner, stride=at.stride, groups=inner, active=False),
            gate=at.convolution(at.inputs, inner, 1, stride=at.stride),
            project=at.convolution(inner, at.outputs, 1, active=False),
            **dict(at.gate(inner)),
        )
        if at.begins:
            return chain([("path", path)])
        if self.layer_scale:
            self._scale(path.project)
        return Residual(path)

    def _scale(self, project: nn.Module) -> None:
        """Have the norm behind a convolution begin at the scale of layers."""
        norm = dict(project.named_children())["norm"]
        if isinstance(norm, nn.Identity):
            raise UserError(
                "layer_scale is where norms begin, and normalisation is 'none'; choose 'batch'"
            )
        nn.init.constant_(norm.get_parameter("weight"), self.layer_scale)


class Gated(nn.Module):
    """Values that are spread over the row, each multiplied by its gate, and then put together."""

    def __init__(
        self,
        value: nn.Module,
        depthwise: nn.Module,
        gate: nn.Module,
        project: nn.Module,
        excite: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.value, self.depthwise, self.gate, self.project = value, depthwise, gate, project
        self.excite = excite or nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        """The outputs (rows, channels, *space) for inputs (rows, channels, *space)."""
        gated = self.depthwise(self.value(inputs)) * self.gate(inputs)
        outputs: Tensor = self.project(self.excite(gated))
        return outputs
