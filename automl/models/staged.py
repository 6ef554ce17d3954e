"""The frame of ResNet, MobileNet and GatedConvNet: stem, stages of blocks, average and head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import ClassVar, TypeVar

from torch import nn

from automl.config import Config
from automl.errors import UserError
from automl.field_types import Count, Whole
from automl.models.building_blocks import (
    PER_UNIT,
    ConvolutionStyle,
    SqueezeExcite,
    check_shape,
    convolution,
    makers,
    readers,
)
from automl.models.family import Block, Group, ModelFamily, Slice, chain

S = TypeVar("S", bound="Staged")
T = TypeVar("T", bound="Stage")
AVERAGES = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
TENSORS = ("weight", "bias")


@dataclass(frozen=True)
class Stage(Config):
    """Blocks that all give `width` channels; `inner`, where not empty, is the width inside each.

    Where weights are `shared`, the blocks that give what they read have one set of convolutions and
    one inner width, and norms of their own. A file has these weights once. With `squeeze` above 0
    each block gates its channels by their means, through so many hidden units, which no step cuts.
    """

    width: Count = 16
    blocks: Whole = 1
    inner: tuple[Count, ...] = field(default=(), kw_only=True)
    shared: bool = field(default=False, kw_only=True)
    squeeze: Whole = field(default=0, kw_only=True)
    later_fields: ClassVar[Mapping[str, object]] = {"shared": False, "squeeze": 0}

    def default_inner(self, inputs: int) -> int:
        """The width inside a block that reads `inputs` channels."""
        raise NotImplementedError

    def distinct(self, is_first: bool) -> int:
        """The number of blocks with weights of their own; `is_first`: of the first stage."""
        return min(self.blocks, 2 - is_first) if self.shared else self.blocks

    def inner_widths(self, inputs: int, is_first: bool) -> tuple[int, ...]:
        """The width inside each block with own weights; the first reads `inputs` channels."""
        count = self.distinct(is_first)
        if self.blocks < 0 or len(self.inner) not in (0, count):
            raise self.wrong()
        reading = (inputs, *[self.width] * (count - 1))
        return self.inner or tuple(self.default_inner(w) for w in reading[:count])

    def wrong(self) -> UserError:
        each = " that has weights of its own" if self.shared else ""
        return UserError(f"{self}: it needs one block or more, and an inner width for each{each}")

    def without(self: T, block: int, is_first: bool) -> T:
        """The stage that lacks a block."""
        fewer = replace(self, blocks=self.blocks - 1)
        if fewer.distinct(is_first) == self.distinct(is_first):
            return fewer
        return replace(fewer, inner=self.inner[:block] + self.inner[block + 1 :])


@dataclass(frozen=True)
class Place:
    """A block as its place needs it: the channels that it reads, has inside and gives.

    One that `begins` is the first of a later stage: its input is of another width or size.
    """

    style: ConvolutionStyle
    inputs: int
    inner: int
    outputs: int
    stride: int = 1
    begins: bool = False
    squeeze: int = 0

    def convolution(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int = 0,
        *,
        stride: int = 1,
        groups: int = 1,
        active: bool = True,
    ) -> nn.Sequential:
        """A convolution with the family's settings."""
        kernel, act = kernel_size or self.style.kernel_size, self.style.activation if active else ""
        style = replace(self.style, kernel_size=kernel, activation=act)
        return convolution(inputs, outputs, style, stride=stride, groups=groups)

    def gate(self, channels: int) -> list[tuple[str, nn.Module]]:
        """The layer that gates channels by their means, if the stage has such."""
        if not self.squeeze:
            return []
        return [("excite", SqueezeExcite(channels, self.squeeze, self.style.dims))]


class Staged(ModelFamily):
    """Stages of blocks; each but the first halves the rows' sides while they are above 2.

    Where another stage follows the first may have no block. A block's `path` names its
    convolutions: those that it `reads` with take the stage's width, the first unless it says so;
    the last gives it, and all but the last give the inner width.
    """

    stages: tuple[Stage, ...]
    kernel_size: int
    activation: str
    normalisation: str
    path: ClassVar[tuple[str, ...]]
    reads: ClassVar[tuple[str, ...]] = ()
    has_shortcut: ClassVar[bool]
    """Whether the block that begins a later stage has a convolution beside its path."""
    gates_inside: ClassVar[bool] = True
    """Whether a block gates its inner channels by their means, or those that it gives."""
    num_dims: ClassVar[tuple[int, ...]] = (3,)
    """The numbers of dimensions that a row may have."""

    def block(self, at: Place) -> nn.Module:
        """A block for its place."""
        raise NotImplementedError

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        check_shape(self, input_shape, *self.num_dims)
        if not self.stages:
            raise UserError(f"{type(self).__name__} has no stages; give it at least one")
        for stage in self.stages[1:] or self.stages:
            if not stage.blocks:
                raise stage.wrong()
        width, smallest, dims = self.stages[0].width, min(input_shape[1:]), len(input_shape) - 1
        style = ConvolutionStyle(self.kernel_size, self.normalisation, self.activation, dims)
        layers: list[tuple[str, nn.Module]] = [("stem", convolution(input_shape[0], width, style))]
        for i, (stage, inner) in enumerate(self._inner_widths()):
            blocks: list[tuple[str, nn.Module]] = []
            for j in range(stage.blocks):
                begins = i > 0 and j == 0
                stride = 2 if begins and smallest > 2 else 1
                own = min(j, len(inner) - 1)
                sizes = width, inner[own], stage.width
                block = self.block(Place(style, *sizes, stride, begins, stage.squeeze))
                if own < j:
                    self._share(blocks[own][1], block)
                blocks.append((f"block{j}", block))
                width, smallest = stage.width, -(-smallest // stride)
            layers.append((f"stage{i}", chain(blocks)))
        layers += [("average", AVERAGES[dims - 1](1)), ("flatten", nn.Flatten())]
        return chain([*layers, ("head", nn.Linear(width, num_outputs))])

    def groups(self) -> tuple[Group, ...]:
        if self.normalisation not in PER_UNIT:
            return ()
        found = []
        for i, (stage, inner) in enumerate(self._inner_widths()):
            found.append(self._stage_group(i, stage))
            for j, width in enumerate(inner):
                uses = range(j, stage.blocks if j == len(inner) - 1 else j + 1)
                named = [f"stage{i}.block{use}" for use in uses]
                found.append(self._block_group(named, width, stage.squeeze > 0))
        return tuple(found)

    def with_widths(self: S, sizes: tuple[int, ...]) -> S:
        rest = iter(sizes)
        stages = tuple(
            replace(stage, width=next(rest), inner=tuple(islice(rest, stage.distinct(i == 0))))
            for i, stage in enumerate(self.stages)
        )
        return replace(self, stages=stages)  # type: ignore[type-var]

    def blocks(self, input_shape: tuple[int, ...]) -> tuple[Block, ...]:
        """All but those that begin a later stage, and as long as one is left."""
        if sum(stage.blocks for stage in self.stages) == 1:
            return ()
        return tuple(
            Block(f"stage{i}.block", j, self._with_stage(i, stage.without(j, i == 0)))
            for i, stage in enumerate(self.stages)
            for j in range(min(i, 1), stage.blocks)
        )

    def _with_stage(self: S, i: int, stage: Stage) -> S:
        stages = (*self.stages[:i], stage, *self.stages[i + 1 :])
        return replace(self, stages=stages)  # type: ignore[type-var]

    def _inner_widths(self) -> list[tuple[Stage, tuple[int, ...]]]:
        read = (self.stages[0], *self.stages)
        return [
            (stage, stage.inner_widths(before.width, is_first=i == 0))
            for i, (before, stage) in enumerate(zip(read, self.stages, strict=False))
        ]

    def _share(self, first: nn.Module, later: nn.Module) -> None:
        """Have a later block compute with the convolutions of the first."""
        for name in self.path:
            own = first.get_submodule(f"path.{name}.conv")
            later.get_submodule(f"path.{name}").conv = own
        path = first.get_submodule("path")
        if "excite" in dict(path.named_children()):
            later.get_submodule("path").excite = path.get_submodule("excite")

    def _stage_group(self, i: int, stage: Stage) -> Group:
        """The width that the stem or shortcut and every block of a stage add up in."""
        beside = ["shortcut"] if self.has_shortcut else []
        blocks = [f"stage{i}.block{j}" for j in range(stage.blocks)]
        made = [f"{block}.path.{self.path[-1]}" for block in blocks]
        made += [f"{blocks[0]}.{name}" for name in beside] if i else ["stem"]
        begins = [f"path.{name}" for name in self.reads or self.path[:1]]
        read = [f"{block}.{name}.conv" for block in blocks[min(i, 1) :] for name in begins]
        begins += beside
        is_last = i == len(self.stages) - 1
        read += ["head"] if is_last else [f"stage{i + 1}.block0.{name}.conv" for name in begins]
        gating = blocks if stage.squeeze and not self.gates_inside else []
        return self._group(stage.width, made, read, gating)

    def _block_group(self, uses: Sequence[str], width: int, is_gated: bool) -> Group:
        """The width inside a block, which stands under several names where it is shared."""
        made = [f"{block}.path.{name}" for block in uses for name in self.path[:-1]]
        read = [f"{block}.path.{self.path[-1]}.conv" for block in uses]
        return self._group(width, made, read, uses if is_gated and self.gates_inside else ())

    def _group(
        self, width: int, made: Sequence[str], read: Sequence[str], gating: Sequence[str]
    ) -> Group:
        """The width of units that some blocks gate, too."""
        gates = [f"{block}.path.excite" for block in gating]
        produced = [Slice(f"{one}.expand.{tensor}", 0) for one in gates for tensor in TENSORS]
        consumed = readers(*read, *(f"{one}.reduce" for one in gates))
        return Group(width, (*makers(self.normalisation, *made), *produced), consumed)
