"""Layer removal: the same family, shallower, without the blocks that are missed least.

Each block's worth is measured on the model that lacks it: https://arxiv.org/abs/2402.02834
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from torch import Tensor

from automl.compression.calibration import (
    calibration_rows,
    recalibrate,
    seen_rows,
    usual_quality,
)
from automl.compression.cut_units import check_order, refuse_changed
from automl.data.dataset import Data
from automl.errors import Rejected, UserError
from automl.field_types import Above0To1, Count
from automl.models.deployed import predict, seen_by
from automl.models.family import (
    Block,
    ModelFamily,
    Network,
    copy_weights,
    count_parameters,
    edit_layers,
)
from automl.models.possible_network import MOST_NETWORKS, PossibleNetwork
from automl.models.residual_blocks import Bypassed, ResidualBlock, residual_blocks
from automl.recipe import Context, LayerOutcome, Step

AnyBlock: TypeAlias = Block | ResidualBlock


@dataclass(frozen=True)
class RemoveLayers(Step):
    """Remove `count` blocks, or `fraction` of those that can go, at least one.

    A block can go when it gives the shape that it reads; where pooling follows it, the pooling
    stays. In a module of the user's own the blocks are its residual ones. First goes the block
    without which the task's first metric, on training rows, is best; then the rest are measured
    again.
    """

    count: Count = 1
    fraction: Above0To1 | None = None
    cuts: ClassVar[bool] = True

    def check(self, before: tuple[Step, ...]) -> None:
        check_order(self, before)

    def check_network(self, network: Network, data: Data) -> None:
        rows = seen_by(network, data.train.inputs[:2], data.info)
        able = _that_can_go(network, rows)
        count, can_go = self.number(len(able)), _most_that_go(network, able)
        if can_go < count:
            raise UserError(f"step {self.label!r}: {_too_many(network, can_go, count)}")

    def number(self, able: int) -> int:
        """The number of blocks that go, of `able` blocks that can."""
        return self.count if self.fraction is None else max(1, round(self.fraction * able))

    def after(self, network: PossibleNetwork) -> list[PossibleNetwork]:
        if not network.blocks():
            return []
        return network.without_blocks(self.number(len(network.blocks())))

    def apply(self, network: Network, context: Context) -> Network:
        refuse_changed("RemoveLayers", network, Bypassed)
        count = self.number(len(_that_can_go(network, seen_rows(network, context, 2))))
        origins = {name: name for name in network.body.state_dict()}
        weights = {name: tensor.numel() for name, tensor in network.body.named_parameters()}
        for done in range(count):
            found = least_missed(network, context)
            if found is None:
                raise Rejected(f"RemoveLayers: {_too_many(network, done, count)}")
            block, network = found
            names = _renamed(block, origins) if isinstance(block, Block) else {}
            origins = {name: origins[names.get(name, name)] for name in network.body.state_dict()}
        context.outcomes[self.label] = tuple(
            LayerOutcome(name, number, change="removed with its block")
            for name, number in weights.items()
            if name not in origins.values()
        )
        return recalibrate(network, context)


NONE_IS_RESIDUAL = (
    ": of its modules that are called once, no two add what they read to what they make of it, "
    "in the same shape"
)


def knows_blocks(family: ModelFamily) -> bool:
    """Tell if a family tells by itself which blocks can go."""
    return type(family).blocks is not ModelFamily.blocks


def blocks(network: Network, rows: Tensor) -> tuple[AnyBlock, ...]:
    """The blocks of which any one can go: those of the family, or of a family that knows of none
    the residual blocks that `rows` (rows, *input shape) meet; none where the last stands."""
    family = network.spec.model
    if knows_blocks(family):
        return tuple(family.blocks(network.spec.input_shape))
    found = residual_blocks(network.body, rows)
    return tuple(found) if len(found) > 1 else ()


def _that_can_go(network: Network, rows: Tensor) -> list[AnyBlock]:
    """The blocks without any one of which a network answers `rows` (rows, *input shape)."""
    return [
        block
        for block in blocks(network, rows)
        if _answers(without(network, block).to(rows.device), rows)
    ]


def least_missed(network: Network, context: Context) -> tuple[AnyBlock, Network] | None:
    """The block that its network's answers need least, of equals the largest, and the network
    without it; None where none can go."""
    rows, info = calibration_rows(context.data), context.data.info
    seen = seen_rows(network, context)
    best: tuple[tuple[float, int], AnyBlock, Network] | None = None
    for block in blocks(network, seen):
        candidate = without(network, block).to(context.device)
        if _answers(candidate, seen[:2]):
            worth = usual_quality(candidate, rows, info), -count_parameters(candidate)
            if best is None or worth > best[0]:
                best = worth, block, candidate
    return best[1:] if best else None


def without(network: Network, block: AnyBlock) -> Network:
    """The network that lacks a block, every other weight unchanged."""
    if isinstance(block, ResidualBlock):
        shallower = edit_layers(network, {block.name: Bypassed(block.num_results, block.place)})
        copy_weights(network, shallower)
        return shallower
    state = network.body.state_dict()
    shallower = Network(replace(network.spec, model=block.without))
    shallower.body.load_state_dict({new: state[old] for new, old in _renamed(block, state).items()})
    return shallower


def _renamed(block: Block, names: Iterable[str]) -> dict[str, str]:
    """The names of tensors without a block, each with its name among these before."""
    pattern = re.compile(rf"{re.escape(block.stem)}(\d+)(\..*)")
    kept = {}
    for name in names:
        found = pattern.fullmatch(name)
        index = int(found[1]) if found else -1
        if found and index > block.index:
            kept[f"{block.stem}{index - 1}{found[2]}"] = name
        elif index != block.index:
            kept[name] = name
    return kept


def _most_that_go(network: Network, able: Sequence[AnyBlock]) -> int:
    """The most blocks that can go one after the other, of those that can go now; without end
    where too many orders are possible."""
    families = {block.without for block in able if isinstance(block, Block)}
    if not families:
        return max(0, len(able) - 1)
    most = 1
    while families := {b.without for f in families for b in f.blocks(network.spec.input_shape)}:
        most += 1
        if len(families) > MOST_NETWORKS:
            return sys.maxsize
    return most


def _too_many(network: Network, can_go: int, count: int) -> str:
    family = type(network.spec.model).__name__
    if can_go:
        return f"only {can_go} blocks of this {family} can go, not {count}"
    why = "" if knows_blocks(network.spec.model) else NONE_IS_RESIDUAL
    return f"this {family} has no block that can go{why}"


def _answers(network: Network, rows: Tensor) -> bool:
    """Tell if a network answers rows at all, in the shape that it should."""
    try:
        answers = predict(network, rows)
    except Exception:  # a user's module may raise anything where a block is missing
        return False
    return answers.shape == (len(rows), network.spec.num_outputs)
