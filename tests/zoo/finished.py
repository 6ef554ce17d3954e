"""A complete cell, and all that can be read off it: its file, its networks, what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import nn

from automl.data.dataset import Data
from automl.recipe import LayerOutcome
from automl.trial.result import TrialResult
from zoo import oracles
from zoo.cells import Cell, Ended
from zoo.held_weights import Held, held
from zoo.oracles import Numbers
from zoo.recipes import BITS, CLIPPED, RECIPES

AT_ONCE, ALONE = 64, 8
WORTH_NAMING = 0.05
"""The share of the weights above which a tensor that stays has to be named."""

OF_NO_SHAPE = ("train", "clip", "remove_layers")
"""Recipes after which a shape that is still there tells nothing."""


@dataclass(frozen=True)
class Finished:
    """A complete cell. Everything is read from the store or the file, and computed once."""

    cell: Cell
    ended: Ended

    @property
    def recipe(self) -> str:
        return self.cell.recipe

    @property
    def result(self) -> TrialResult:
        assert self.ended.result is not None
        return self.ended.result

    @cached_property
    def data(self) -> Data:
        return self.cell.data()

    @cached_property
    def rows(self) -> np.ndarray:
        return np.asarray(self.data.validation.inputs)

    @cached_property
    def targets(self) -> np.ndarray:
        return np.asarray(self.data.validation.targets)

    @cached_property
    def file(self) -> bytes:
        return self.cell.file()

    @cached_property
    def parent(self) -> bytes:
        """The fp32 file that the compression is compared to."""
        return self.file if self.recipe == "train" else self.cell.parent()

    @cached_property
    def held(self) -> Held:
        return held(self.file)

    @cached_property
    def held_before(self) -> Held:
        return held(self.parent)

    @cached_property
    def net(self) -> nn.Module:
        """The network that was exported."""
        return self.cell.network(len(RECIPES[self.recipe]))

    @cached_property
    def net_trained(self) -> nn.Module:
        return self.cell.network(1)

    @cached_property
    def net_before(self) -> nn.Module:
        """The network before the last step: after a cut, a narrow one."""
        return self.cell.network(max(1, len(RECIPES[self.recipe]) - 1))

    @cached_property
    def answers(self) -> Numbers:
        return oracles.file_answers(self.file, self.rows, len(self.rows))

    @cached_property
    def at_once(self) -> Numbers:
        return oracles.file_answers(self.file, self.rows[:AT_ONCE], AT_ONCE)

    @cached_property
    def alone(self) -> Numbers:
        """The file's answers, one row at a time."""
        return oracles.file_answers(self.file, self.rows[:ALONE], 1)

    @cached_property
    def trained(self) -> Numbers:
        """The trained module's answers."""
        return self.answers_of(self.net_trained)

    @cached_property
    def accuracy(self) -> float:
        return oracles.accuracy(self.answers, self.targets)

    @cached_property
    def trained_accuracy(self) -> float:
        return oracles.accuracy(self.trained, self.targets)

    def answers_of(self, net: nn.Module, count: int | None = None, at_once: int = 1000) -> Numbers:
        """A network's answers to the first rows, or to all of them."""
        return oracles.torch_answers(net, self.data, self.rows[:count], at_once)

    def accuracy_of(self, net: nn.Module) -> float:
        return oracles.accuracy(self.answers_of(net), self.targets)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The numbers of weights in the matrices of the module before the last step, by name."""
        return {name: p.numel() for name, p in oracles.matrices(self.net_before).items()}

    @cached_property
    def num_weights(self) -> int:
        return sum(self.sizes.values())

    @cached_property
    def untouched_names(self) -> list[str]:
        """The matrices that the last step left as they were."""
        if self.recipe in ("train", "remove_layers"):
            return []
        if self.recipe in BITS:
            return self._not_coded()
        own, before = self.net.state_dict(), self.net_before.state_dict()
        same = [n for n in self.sizes if n in own and own[n].shape == before[n].shape]
        if self.recipe == "clip":
            return [n for n in same if (own[n] == 0).float().mean() < 0.1 * CLIPPED]
        return same

    def _not_coded(self) -> list[str]:
        """Matrices for which the file holds no codes of their size."""
        coded = [t.size for t in self.held.tensors if t.bits <= 8]
        left = []
        for name, size in self.sizes.items():
            if size in coded:
                coded.remove(size)
            else:
                left.append(name)
        return left

    @cached_property
    def untouched(self) -> float:
        """The share of the weights that the last step left as they were."""
        if self.recipe in BITS:
            return max(0.0, 1 - self.held.within(8) / max(1, self.num_weights))
        if any("parametrizations" in n or n.endswith("weight_v") for n in self.sizes):
            return self._same_shapes()
        left = sum(self.sizes[name] for name in self.untouched_names)
        return left / max(1, self.num_weights)

    def _same_shapes(self) -> float:
        """The share of the fp32 file's weights whose shapes this file has, too: names do not tell
        where a norm of weights was made a plain weight."""
        if self.recipe in OF_NO_SHAPE:
            return 0.0
        before, after = self.held_before.tensors, [sorted(t.shape) for t in self.held.tensors]
        same = 0
        for tensor in before:
            if sorted(tensor.shape) in after:
                after.remove(sorted(tensor.shape))
                same += tensor.size
        return same / max(1, sum(t.size for t in before))

    @cached_property
    def outcomes(self) -> list[LayerOutcome]:
        """What the steps tell of each tensor."""
        return [one for step in self.result.outcomes.values() for one in step]

    @cached_property
    def told(self) -> str:
        """All that the user is told of how it went."""
        notes = (*self.ended.start_notes, *self.result.notes)
        return " ".join([*notes, *map(str, self.outcomes)])

    def unsaid(self) -> list[str]:
        """The untouched matrices of some size of which outcomes give no reason; and the first
        note, where that does not tell of what was left."""
        reasons = {_layer(o.tensor) for o in self.outcomes if o.reason and not o.change}
        least = WORTH_NAMING * self.num_weights
        large = [name for name in self.untouched_names if self.sizes[name] > least]
        missing = [name for name in large if _layer(name) not in reasons]
        first = self.result.notes[0] if self.result.notes else ""
        return missing if "left" in first else [*missing, "it in the first note"]


def _layer(tensor: str) -> str:
    """The layer that a tensor of a network or of its body belongs to."""
    name, _, of_another = tensor.removeprefix("body.").partition(".parametrizations.")
    return name if of_another else name.rpartition(".")[0]
