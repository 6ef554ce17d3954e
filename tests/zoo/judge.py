"""Judges a cell that is complete, by the file alone and by second opinions of its own.

Nothing that the trial says of itself is believed: answers are compared with the trained module's,
at once and one row at a time; weights are counted in the file.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import nn

from automl.trial.result import TrialResult
from zoo import oracles
from zoo.cells import Cell, Ended, end_of
from zoo.held_weights import Held, held
from zoo.recipes import BITS, CLIPPED, RECIPES
from zoo.verdicts import Judged, Verdict, refusal

AT_ONCE, ALONE = 64, 8
EXACT = 2e-3
"""How far fp32 answers may be from torch's, in shares of their spread."""

KERNELS = 0.06
"""The same where integers are rounded, and a kernel may flip a step."""

CLOSE = 0.2
"""How far answers at 8 bits may be from the trained module's."""

SAME_CLASS = 0.95
BELOW_ORACLE = 0.1
FLOORS = {
    "prune": 0.5,
    "prune_global": 0.5,
    "prune_bits8": 0.5,
    "factorize": 0.5,
    "binarize": 0.5,
    "bits2": 0.5,
    "bits1": 0.5,
}
"""The least share of the trained module's accuracy, where no oracle gives a better floor."""

LEAST_LEARNED = 0.5
"""An accuracy of the trained module below which the zoo itself is at fault."""

MOST_UNTOUCHED = 0.5
OVERSTATED = 0.1
"""Of the shares of weights that outcomes and the file tell to be changed."""

DEPENDS = r"depend\w* on the (other rows|batch|rows)"
"""A note that tells of answers which differ by what else is asked at once."""

BYTES_PER_LAYER, BYTES_BESIDE = 900, 4000


def judged(cell: Cell) -> Judged:
    """Run a cell, and judge how it ended."""
    started = time.perf_counter()
    ended = end_of(cell)
    found = _verdict(cell, ended)
    notes = ended.result.notes if ended.result else ()
    return Judged(
        **{**vars(found), "seconds": time.perf_counter() - started, "notes": tuple(notes)}
    )


def _verdict(cell: Cell, ended: Ended) -> Judged:
    name, recipe = cell.declared.name, cell.recipe
    if ended.raised:
        return Judged(name, recipe, Verdict.RAW_EXCEPTION, ended.raised)
    if ended.refused:
        verdict = refusal(cell.declared, recipe, ended.refused, ended.at_start)
        return Judged(name, recipe, verdict, ended.refused)
    assert ended.result is not None
    if cell.declared.must:
        return Judged(name, recipe, Verdict.SILENTLY_WRONG, "is complete, but cannot be honest")
    complete = _Complete(cell, ended.result, ended)
    wrong = list(complete.wrongs())
    verdict, why = Verdict.RIGHT, ""
    if wrong:
        verdict, why = Verdict.SILENTLY_WRONG, "; ".join(wrong)
    elif complete.untouched > MOST_UNTOUCHED:
        unsaid = complete.unsaid()
        verdict = Verdict.UNSAID if unsaid else Verdict.LEFT_ALONE
        why = f"{complete.untouched:.0%} of the weights are untouched"
        why += f", nothing is said of {', '.join(unsaid)}" if unsaid else ""
    return Judged(
        name,
        recipe,
        verdict,
        why,
        accuracy=complete.accuracy,
        trained_accuracy=complete.trained_accuracy,
        size_bytes=len(complete.file),
        fp32_bytes=len(complete.parent),
        untouched=complete.untouched,
        distance=oracles.distance(complete.at_once, complete.trained[:AT_ONCE]),
    )


@dataclass(frozen=True)
class _Complete:
    """A complete cell, and all that can be read off it."""

    cell: Cell
    result: TrialResult
    ended: Ended

    @cached_property
    def data(self):
        return self.cell.data()

    @cached_property
    def rows(self):
        return self.data.validation.inputs

    @cached_property
    def targets(self):
        return np.asarray(self.data.validation.targets)

    @cached_property
    def file(self) -> bytes:
        return self.cell.file()

    @cached_property
    def parent(self) -> bytes:
        return self.file if self.cell.recipe == "train" else self.cell.parent()

    @cached_property
    def held(self) -> Held:
        return held(self.file)

    @cached_property
    def net(self) -> nn.Module:
        """The compressed network, as it is stored."""
        return self.cell.network(len(RECIPES[self.cell.recipe]))

    @cached_property
    def net_trained(self) -> nn.Module:
        return self.cell.network(1)

    @cached_property
    def answers(self):
        return oracles.file_answers(self.file, self.rows, len(self.rows))

    @cached_property
    def at_once(self):
        return oracles.file_answers(self.file, self.rows[:AT_ONCE], AT_ONCE)

    @cached_property
    def alone(self):
        return oracles.file_answers(self.file, self.rows[:ALONE], 1)

    @cached_property
    def trained(self):
        """The trained module's answers."""
        return oracles.torch_answers(self.net_trained, self.data, self.rows, len(self.rows))

    @cached_property
    def accuracy(self) -> float:
        return oracles.accuracy(self.answers, self.targets)

    @cached_property
    def trained_accuracy(self) -> float:
        return oracles.accuracy(self.trained, self.targets)

    @cached_property
    def matrices(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the trained module's matrices of weights, in the order of its layers."""
        return {n: tuple(p.shape) for n, p in oracles.matrices(self.net_trained).items()}

    @cached_property
    def num_weights(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.matrices.values())

    @property
    def is_rounded(self) -> bool:
        return self.cell.recipe in BITS

    def wrongs(self) -> Iterator[str]:
        """What is wrong, in words."""
        yield from self._wrong_answers()
        yield from self._wrong_against_trained()
        yield from self._wrong_size()
        yield from self._wrong_weights()
        yield from self._wrong_outcomes()
        yield from self._moved_frozen()

    def _wrong_answers(self) -> Iterator[str]:
        """The file against the network that it was made of, and against what was measured."""
        allowed = KERNELS if self.is_rounded else EXACT
        expected = oracles.torch_answers(self.net, self.data, self.rows[:AT_ONCE], AT_ONCE)
        one = oracles.torch_answers(self.net, self.data, self.rows[:ALONE], 1)
        if (found := oracles.distance(self.at_once, expected)) > allowed:
            yield f"the file differs from its network by {found:.3g} of the spread"
        if (found := oracles.distance(self.alone, one)) > allowed:
            yield f"one row at a time the file differs from its network by {found:.3g}"
        if (found := oracles.distance(one, expected[:ALONE])) > allowed:
            if not re.search(DEPENDS, self._told()):
                yield f"answers depend on the batch ({found:.3g}), which nothing says"
        elif (found := oracles.distance(self.alone, self.at_once[:ALONE])) > allowed:
            yield f"one row at a time the file answers otherwise, by {found:.3g}"
        measurement = self.result.measurement
        assert measurement is not None
        if abs(measurement.quality["accuracy"] - self.accuracy) > 0.006:
            yield f"accuracy was measured as {measurement.quality['accuracy']:.3f}"

    def _wrong_against_trained(self) -> Iterator[str]:
        recipe, accuracy = self.cell.recipe, self.accuracy
        if self.trained_accuracy < LEAST_LEARNED:
            yield f"the zoo's own fault: the module learned only {self.trained_accuracy:.2f}"
        if recipe == "train":
            if (found := oracles.distance(self.answers, self.trained)) > EXACT:
                yield f"the fp32 file differs from the trained module by {found:.3g}"
            yield from self._wrong_report()
        if recipe == "bits8":
            same = oracles.agreement(self.answers, self.trained)
            far = oracles.distance(self.answers, self.trained)
            if same < SAME_CLASS or far > CLOSE:
                yield f"same class as the trained module on {same:.1%}, {far:.3g} apart"
        if recipe == "prune_bits8":
            narrow = self.cell.network(len(RECIPES[recipe]) - 1)
            expected = oracles.torch_answers(narrow, self.data, self.rows, len(self.rows))
            same = oracles.agreement(self.answers, expected)
            far = oracles.distance(self.answers, expected)
            if same < SAME_CLASS or far > CLOSE:
                yield f"same class as the cut network on {same:.1%}, {far:.3g} apart"
        floor, opinion = self.floor()
        if accuracy < floor:
            yield f"accuracy {accuracy:.3f} is below {floor:.3f}, {opinion}"

    def _wrong_report(self) -> Iterator[str]:
        """What the last epoch of the training reported is what the stored module gives."""
        told = [r.metrics["accuracy"] for r in self.ended.reports if "accuracy" in r.metrics]
        if told and abs(told[-1] - self.trained_accuracy) > 0.02:
            yield f"training reported {told[-1]:.3f}, the module has {self.trained_accuracy:.3f}"

    def floor(self) -> tuple[float, str]:
        """The least accuracy, and whose opinion that is."""
        recipe, data = self.cell.recipe, self.data

        def measured(net: nn.Module) -> float:
            found = oracles.torch_answers(net, data, self.rows, len(self.rows))
            return oracles.accuracy(found, self.targets)

        share = FLOORS.get(recipe, 0.0) * self.trained_accuracy
        if recipe in ("bits4", "bits2", "bits1"):
            net = oracles.rounded(self.cell.network(1), BITS[recipe])
            plainly = measured(net) - BELOW_ORACLE
            return max((share, "a share of the trained module's"), (plainly, "by plain rounding"))
        if recipe == "clip":
            net = oracles.clipped(self.cell.network(1), CLIPPED)
            return measured(net) - BELOW_ORACLE, "by plain clipping of each matrix"
        if recipe == "remove_layers" and self.cell.declared.blocks:
            best = oracles.best_without(self.net_trained, self.cell.declared.blocks, measured)
            return best - BELOW_ORACLE, "by skipping one declared block"
        return share, "a share of the trained module's"

    def _wrong_size(self) -> Iterator[str]:
        file, parent = len(self.file), len(self.parent)
        if self.cell.recipe != "train":
            if file >= parent:
                yield f"the file has {file} bytes, the fp32 file {parent}"
        elif (most := self._fp32_bytes()) < self.held.initializer_bytes:
            bytes_held = self.held.initializer_bytes
            yield f"the fp32 file holds {bytes_held} bytes of numbers, the module {most} at most"
        bits = BITS.get(self.cell.recipe)
        if bits and file > (most := self._bytes_at(bits)):
            yield f"the file has {file} bytes, more than the {most} of its weights at {bits} bits"

    def _fp32_bytes(self) -> int:
        tensors = (*self.net_trained.parameters(), *self.net_trained.buffers())
        return int(1.1 * sum(t.numel() * max(4, t.element_size()) for t in tensors)) + BYTES_BESIDE

    def _bytes_at(self, bits: int) -> int:
        """The bytes of the file's weights at their bits, and of all that may stand beside them."""
        coded = self.held.within(bits)
        more = sum(t.size for t in self.held.codes_of_more(bits))
        floats = 4 * sum(t.size for t in self.held.floats())
        vectors = [p for p in self.net_trained.parameters() if p.dim() < 2]
        buffers = list(self.net_trained.buffers())
        others = 4 * sum(t.numel() for t in (*vectors, *buffers))
        layers = BYTES_PER_LAYER * len(self.matrices) + BYTES_BESIDE
        frame = held(self.parent).other_bytes
        return round(1.1 * (coded * bits / 8 + more + floats + others)) + layers + 2 * frame

    def _wrong_weights(self) -> Iterator[str]:
        recipe = self.cell.recipe
        own, trained = self.net.state_dict(), self.net_trained.state_dict()
        if recipe in ("prune", "prune_global", "prune_bits8", "factorize", "remove_layers"):
            before = sum(t.size for t in held(self.parent).tensors)
            after = sum(t.size for t in self.held.tensors)
            if after >= before:
                yield f"the file holds {after} weights, the fp32 file {before}"
        if recipe == "clip":
            for name in self.matrices:
                if name in own and not np.isin(own[name], [*trained[name].ravel(), 0.0]).all():
                    yield f"{name} holds numbers that the trained module has not"
            if self._zeros() < 0.8 * CLIPPED * (1 - self.untouched):
                yield f"only {self._zeros():.0%} of the weights are zeros"
        if recipe == "remove_layers":
            for name, tensor in own.items():
                same = trained.get(name)
                is_shared = same is not None and tensor.dim() >= 2 and same.shape == tensor.shape
                if is_shared and not np.isin(tensor, same).all():
                    yield f"{name} is not what was trained"
        if recipe in ("bits4", "bits2", "bits1", "binarize"):
            more = self.held.codes_of_more(BITS[recipe])
            # Quantize leaves the first and the last layer 8 bits.
            ends = 0 if recipe == "binarize" else 2
            if len(more) > max(ends, self._told().count("8 bits")):
                shapes = ", ".join(str(t.shape) for t in more)
                yield f"{len(more)} tensors have more than {BITS[recipe]} bits: {shapes}"

    def _wrong_outcomes(self) -> Iterator[str]:
        """Shares of changed weights that the only compression tells, and the file does not show."""
        own = [one for step in self.result.outcomes.values() for one in step]
        if len(self.result.outcomes) == 1 and (total := sum(one.num_weights for one in own)):
            told = sum(one.num_weights for one in own if one.change) / total
            if told - (1 - self.untouched) > OVERSTATED:
                shown = f"the file shows {1 - self.untouched:.0%}"
                yield f"{told:.0%} of the weights are told to be changed, {shown}"

    def _zeros(self) -> float:
        own = oracles.matrices(self.net)
        zeros = sum(int((weight == 0).sum()) for weight in own.values())
        return zeros / self.num_weights

    def _moved_frozen(self) -> Iterator[str]:
        """Frozen weights that a later training has changed."""
        own, trained = dict(self.net.body.named_parameters()), self.net_trained.body.state_dict()
        before = dict(self.cell.network(0).body.named_parameters())
        for name in self.cell.declared.frozen:
            if self.cell.recipe == "train" and not np.array_equal(
                trained[name], before[name].detach()
            ):
                yield f"{name} is frozen, but was trained"
            is_cut = self.cell.recipe in ("prune", "prune_global")
            if is_cut and name in own and not np.isin(own[name].detach(), trained[name]).all():
                yield f"{name} is frozen, but was trained after the cut"

    @cached_property
    def untouched_names(self) -> list[str]:
        """The trained module's matrices that the recipe left as they were."""
        recipe = self.cell.recipe
        if recipe in ("train", "remove_layers"):
            return []
        if recipe in BITS:
            return self._not_coded(BITS[recipe])
        own, trained = self.net.state_dict(), self.net_trained.state_dict()
        same = [n for n in self.matrices if n in own and own[n].shape == trained[n].shape]
        if recipe == "clip":
            return [n for n in same if (own[n] == 0).float().mean() < 0.1 * CLIPPED]
        return same

    def _not_coded(self, bits: int) -> list[str]:
        """Matrices for which the file holds no codes of their size."""
        coded = [t.size for t in self.held.tensors if t.bits <= max(bits, 8)]
        left = []
        for name, shape in self.matrices.items():
            if (size := int(np.prod(shape))) in coded:
                coded.remove(size)
            else:
                left.append(name)
        return left

    def _narrow_weights(self) -> int:
        narrow = self.cell.network(len(RECIPES[self.cell.recipe]) - 1)
        return sum(p.numel() for p in oracles.matrices(narrow).values())

    @cached_property
    def untouched(self) -> float:
        """The share of the weights that the recipe left as they were."""
        if self.cell.recipe in BITS:
            whole = (
                self._narrow_weights() if self.cell.recipe == "prune_bits8" else self.num_weights
            )
            bits = BITS[self.cell.recipe]
            coded = self.held.within(bits) + sum(t.size for t in self.held.codes_of_more(bits))
            return max(0.0, 1 - coded / max(1, whole))
        if any("parametrizations" in n or n.endswith("weight_v") for n in self.matrices):
            return self._same_shapes()
        sizes = {name: int(np.prod(shape)) for name, shape in self.matrices.items()}
        return sum(sizes[name] for name in self.untouched_names) / max(1, self.num_weights)

    def _same_shapes(self) -> float:
        """The share of the fp32 file's weights whose shapes this file has, too: names do not tell
        where a norm of weights was made a plain weight."""
        if self.cell.recipe in ("train", "clip", "remove_layers"):
            return 0.0
        before, after = held(self.parent).tensors, [sorted(t.shape) for t in self.held.tensors]
        same = 0
        for tensor in before:
            if sorted(tensor.shape) in after:
                after.remove(sorted(tensor.shape))
                same += tensor.size
        return same / max(1, sum(t.size for t in before))

    def unsaid(self) -> list[str]:
        """The untouched matrices of some size of which neither notes nor outcomes give a reason;
        or "its first note", where that does not tell of what was left."""
        own = [one for step in self.result.outcomes.values() for one in step]
        reasons = {one.tensor for one in own if one.reason and not one.change}
        sizes = {name: int(np.prod(shape)) for name, shape in self.matrices.items()}
        large = [n for n in self.untouched_names if sizes[n] > 0.05 * self.num_weights]
        missing = [name for name in large if _layer(name) not in map(_layer, reasons)]
        first = self.result.notes[0] if self.result.notes else ""
        return missing if "left" in first else [*missing, "it in the first note"]

    def _told(self) -> str:
        """All that the result tells of how it went."""
        return " ".join([*self.result.notes, str(self.result.outcomes)])


def _layer(tensor: str) -> str:
    """The layer that a tensor of a network or of its body belongs to."""
    name = tensor.removeprefix("body.").partition(".parametrizations.")[0]
    return name if ".parametrizations." in tensor else name.rpartition(".")[0]
