"""Layer removal: the same family, shallower, without the blocks that are missed least.

Each block's worth is measured on the model that lacks it: https://arxiv.org/abs/2402.02834
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from automl import quality
from automl.compression.calibration import calibration_rows, recalibrate
from automl.compression.cut_units import check_order, refuse_changed
from automl.data.dataset import DatasetInfo, Split
from automl.errors import Rejected
from automl.field_types import Above0To1, Count
from automl.models.deployed import Deployed, predict
from automl.models.family import Block, Network, count_parameters
from automl.models.possible_network import PossibleNetwork
from automl.recipe import Context, Step


@dataclass(frozen=True)
class RemoveLayers(Step):
    """Remove `count` blocks, or `fraction` of those that can go, at least one.

    A block can go when it gives the shape that it reads; where pooling follows it, the pooling
    stays. First goes the block without which the task's first metric, on training rows, is
    best; then the rest are measured again.
    """

    count: Count = 1
    fraction: Above0To1 | None = None
    cuts: ClassVar[bool] = True

    def check(self, before: tuple[Step, ...]) -> None:
        check_order(self, before)

    def number(self, able: int) -> int:
        """The number of blocks that go, of `able` blocks that can."""
        return self.count if self.fraction is None else max(1, round(self.fraction * able))

    def after(self, network: PossibleNetwork) -> list[PossibleNetwork]:
        if not network.family_text:
            return []
        return network.without_blocks(self.number(len(network.blocks())))

    def apply(self, network: Network, context: Context) -> Network:
        family = type(network.spec.model).__name__
        able = len(blocks(network))
        if not able:
            raise Rejected(f"RemoveLayers: this {family} has no block that can go")
        refuse_changed("RemoveLayers", network)
        count = self.number(able)
        for done in range(count):
            if not blocks(network):
                raise Rejected(
                    f"RemoveLayers: only {done} blocks of this {family} can go, not {count}"
                )
            network = least_missed(network, context)
        return recalibrate(network, context)


def blocks(network: Network) -> tuple[Block, ...]:
    """The blocks of which any one can go."""
    return tuple(network.spec.model.blocks(network.spec.input_shape))


def least_missed(network: Network, context: Context) -> Network:
    """The network without the block that its answers need least; of equals without the largest."""
    rows, info = calibration_rows(context.data), context.data.info
    candidates = [without(network, block).to(context.device) for block in blocks(network)]
    return max(candidates, key=lambda one: (_measured(one, rows, info), -count_parameters(one)))


def without(network: Network, block: Block) -> Network:
    """The network that lacks a block, every other weight unchanged."""
    pattern = re.compile(rf"{re.escape(block.stem)}(\d+)(\..*)")
    state = {}
    for name, tensor in network.body.state_dict().items():
        found = pattern.fullmatch(name)
        index = int(found[1]) if found else -1
        if found and index > block.index:
            state[f"{block.stem}{index - 1}{found[2]}"] = tensor
        elif index != block.index:
            state[name] = tensor
    shallower = Network(replace(network.spec, model=block.without))
    shallower.body.load_state_dict(state)
    return shallower


def _measured(network: Network, rows: Split, info: DatasetInfo) -> float:
    """The task's first metric: accuracy or r², of both of which more is better."""
    metric = next(iter(quality.metrics(len(info.classes)).values()))
    answers = predict(Deployed(network, info), torch.from_numpy(rows.inputs))
    return metric(answers.cpu().numpy(), rows.targets)
