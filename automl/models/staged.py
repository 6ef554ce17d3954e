"""The frame of ResNet, MobileNet and GatedConvNet: stem, stages of blocks, average and head."""

from __future__ import annotations

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
    check_shape,
    convolution,
    makers,
    readers,
)
from automl.models.family import Block, Group, ModelFamily, chain

S = TypeVar("S", bound="Staged")
T = TypeVar("T", bound="Stage")


@dataclass(frozen=True)
class Stage(Config):
    """Blocks that all give `width` channels; `inner`, where not empty, is the width inside each."""

    width: Count = 16
    blocks: Whole = 1
    inner: tuple[Count, ...] = field(default=(), kw_only=True)

    def default_inner(self, inputs: int) -> int:
        """The width inside a block that reads `inputs` channels."""
        raise NotImplementedError

    def inner_widths(self, inputs: int) -> tuple[int, ...]:
        """The width inside each block; the first reads `inputs` channels."""
        if self.blocks < 0 or len(self.inner) not in (0, self.blocks):
            raise self.wrong()
        reading = (inputs, *[self.width] * (self.blocks - 1))
        return self.inner or tuple(self.default_inner(w) for w in reading[: self.blocks])

    def wrong(self) -> UserError:
        return UserError(f"{self}: it needs one block or more, and an inner width for each")

    def without(self: T, block: int) -> T:
        """The stage that lacks a block."""
        inner = self.inner[:block] + self.inner[block + 1 :]
        return replace(self, blocks=self.blocks - 1, inner=inner)


class Staged(ModelFamily):
    """Stages of blocks; each but the first halves the image while it is above 2 × 2.

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

    def block(self, inputs: int, inner: int, outputs: int, stride: int, begins: bool) -> nn.Module:
        """`begins`: the first block of a later stage, whose input is of another width or size."""
        raise NotImplementedError

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        check_shape(self, input_shape, 3)
        if not self.stages:
            raise UserError(f"{type(self).__name__} has no stages; give it at least one")
        for stage in self.stages[1:] or self.stages:
            if not stage.blocks:
                raise stage.wrong()
        width, smallest = self.stages[0].width, min(input_shape[1:])
        layers: list[tuple[str, nn.Module]] = [("stem", self.convolution(input_shape[0], width))]
        for i, (stage, inner) in enumerate(self._inner_widths()):
            blocks = []
            for j, inside in enumerate(inner):
                begins = i > 0 and j == 0
                stride = 2 if begins and smallest > 2 else 1
                blocks.append((f"block{j}", self.block(width, inside, stage.width, stride, begins)))
                width, smallest = stage.width, -(-smallest // stride)
            layers.append((f"stage{i}", chain(blocks)))
        layers += [("average", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
        return chain([*layers, ("head", nn.Linear(width, num_outputs))])

    def groups(self) -> tuple[Group, ...]:
        if self.normalisation not in PER_UNIT:
            return ()
        found = []
        for i, (stage, inner) in enumerate(self._inner_widths()):
            found.append(self._stage_group(i, stage))
            found += [self._block_group(f"stage{i}.block{j}", w) for j, w in enumerate(inner)]
        return tuple(found)

    def with_widths(self: S, sizes: tuple[int, ...]) -> S:
        rest = iter(sizes)
        stages = tuple(
            replace(stage, width=next(rest), inner=tuple(islice(rest, stage.blocks)))
            for stage in self.stages
        )
        return replace(self, stages=stages)  # type: ignore[type-var]

    def blocks(self, input_shape: tuple[int, ...]) -> tuple[Block, ...]:
        """All but those that begin a later stage, and as long as one is left."""
        if sum(stage.blocks for stage in self.stages) == 1:
            return ()
        return tuple(
            Block(f"stage{i}.block", j, self._with_stage(i, stage.without(j)))
            for i, stage in enumerate(self.stages)
            for j in range(min(i, 1), stage.blocks)
        )

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
        act = self.activation if active else ""
        style = ConvolutionStyle(kernel_size or self.kernel_size, self.normalisation, act)
        return convolution(inputs, outputs, style, stride=stride, groups=groups)

    def _with_stage(self: S, i: int, stage: Stage) -> S:
        stages = (*self.stages[:i], stage, *self.stages[i + 1 :])
        return replace(self, stages=stages)  # type: ignore[type-var]

    def _inner_widths(self) -> list[tuple[Stage, tuple[int, ...]]]:
        read = (self.stages[0], *self.stages)
        return [
            (stage, stage.inner_widths(before.width))
            for before, stage in zip(read, self.stages, strict=False)
        ]

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
        return Group(stage.width, makers(self.normalisation, *made), readers(*read))

    def _block_group(self, block: str, width: int) -> Group:
        *made, reader = (f"{block}.path.{name}" for name in self.path)
        return Group(width, makers(self.normalisation, *made), readers(f"{reader}.conv"))
