"""Tells what is wrong with a complete cell, in words; nothing that the trial says is believed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from zoo import oracles
from zoo.finished import ALONE, AT_ONCE, Finished
from zoo.recipes import BITS, CLIPPED

EXACT = 2e-3
"""How far fp32 answers may be from torch's, in shares of their spread."""

KERNELS = 0.06
"""The same where integers are rounded, and a kernel may flip a step."""

CLOSE = 0.15
"""How far answers at 8 bits may be from those of the module before: a MobileNet of depthwise layers
is 0.08 away and as accurate; weights that are wrong are 1 away."""

SAME_CLASS = 0.93
"""At least, at 8 bits: a network that is unsure of many rows changes more of its answers."""

BELOW_ORACLE = 0.1
BELOW_CLIPPED = 0.3
"""Clip leaves small layers more of their weights, which suits some networks less."""

FLOORS = {
    **dict.fromkeys(("prune", "prune_global", "prune_bits8"), 0.5),
    **dict.fromkeys(("factorize", "binarize", "bits2", "bits1"), 0.3),
}
"""The least share of the trained module's accuracy, where no oracle gives a better floor: twice
what chance has. What is wrong falls to chance; a coarse cut of thin layers does not."""

LEAST_LEARNED = 0.45
"""An accuracy of the trained module below which the zoo itself is at fault."""

MEASURED_APART = 0.006
OVERSTATED = 0.1
"""Of the shares of weights that outcomes and the file tell to be changed."""

BYTES_PER_LAYER, BYTES_BESIDE = 900, 4000
DEPENDS = r"depend\w* on the (other rows|batch|rows)"
"""A note that tells of answers which differ by what else is asked at once."""


def wrongs(cell: Finished) -> Iterator[str]:
    """Everything that is wrong with a cell."""
    for look in (_answers, _against_trained, _size, _weights, _outcomes, _frozen):
        yield from look(cell)


def _answers(cell: Finished) -> Iterator[str]:
    """The file against the network that it was made of, and against what was measured."""
    allowed = KERNELS if cell.recipe in BITS else EXACT
    expected, one = cell.answers_of(cell.net, AT_ONCE), cell.answers_of(cell.net, ALONE, 1)
    if (found := oracles.distance(cell.at_once, expected)) > allowed:
        yield f"the file differs from its network by {found:.3g} of the spread"
    if (found := oracles.distance(cell.alone, one)) > allowed:
        yield f"one row at a time the file differs from its network by {found:.3g}"
    if (found := oracles.distance(one, expected[:ALONE])) > allowed:
        if not re.search(DEPENDS, cell.told):
            yield f"answers depend on the batch ({found:.3g}), which nothing says"
    elif (found := oracles.distance(cell.alone, cell.at_once[:ALONE])) > allowed:
        yield f"one row at a time the file answers otherwise, by {found:.3g}"
    assert cell.result.measurement is not None
    measured = cell.result.measurement.quality["accuracy"]
    if abs(measured - cell.accuracy) > MEASURED_APART:
        yield f"accuracy {cell.accuracy:.3f} was measured as {measured:.3f}"


def _against_trained(cell: Finished) -> Iterator[str]:
    if cell.trained_accuracy < LEAST_LEARNED:
        yield f"the zoo's own fault: the module learned only {cell.trained_accuracy:.2f}"
    if cell.recipe == "train":
        if (found := oracles.distance(cell.answers, cell.trained)) > EXACT:
            yield f"the fp32 file differs from the trained module by {found:.3g}"
        # What the last epoch reported is what the stored module gives.
        told = [r.metrics["accuracy"] for r in cell.ended.reports if "accuracy" in r.metrics]
        if told and abs(told[-1] - cell.trained_accuracy) > 0.02:
            yield f"training reported {told[-1]:.3f}, the module has {cell.trained_accuracy:.3f}"
    if cell.recipe in ("bits8", "prune_bits8"):
        expected = cell.answers_of(cell.net_before)
        same = oracles.agreement(cell.answers, expected)
        far = oracles.distance(cell.answers, expected)
        if same < SAME_CLASS or far > CLOSE:
            yield f"same class as the trained module on {same:.1%}, {far:.3g} apart"
    floor, opinion = _floor(cell)
    if cell.accuracy < floor:
        yield f"accuracy {cell.accuracy:.3f} is below {floor:.3f}, {opinion}"


def _floor(cell: Finished) -> tuple[float, str]:
    """The least accuracy, and whose opinion that is."""
    recipe, blocks = cell.recipe, cell.cell.declared.blocks
    share = FLOORS.get(recipe, 0.0) * cell.trained_accuracy
    if recipe in ("bits4", "bits2", "bits1"):
        net = oracles.rounded(cell.cell.network(1), BITS[recipe])
        plainly = cell.accuracy_of(net) - BELOW_ORACLE
        return max((share, "a share of the trained module's"), (plainly, "by plain rounding"))
    if recipe == "clip":
        net = oracles.clipped(cell.cell.network(1), CLIPPED)
        return cell.accuracy_of(net) - BELOW_CLIPPED, "by plain clipping of each matrix"
    if recipe == "remove_layers" and blocks:
        best = oracles.best_without(cell.net_trained, blocks, cell.accuracy_of)
        return min(best, cell.trained_accuracy) - BELOW_ORACLE, "by skipping one declared block"
    return share, "a share of the trained module's"


def _size(cell: Finished) -> Iterator[str]:
    file, parent, stored = len(cell.file), len(cell.parent), cell.held.initializer_bytes
    if cell.recipe != "train" and file >= parent:
        yield f"the file has {file} bytes, the fp32 file {parent}"
    if cell.recipe == "train" and stored > (most := _fp32_bytes(cell)):
        yield f"the fp32 file holds {stored} bytes of numbers, the module {most} at most"
    bits = BITS.get(cell.recipe)
    if bits and file > (most := _bytes_at(cell, bits)):
        yield f"the file has {file} bytes, more than the {most} of its weights at {bits} bits"


def _fp32_bytes(cell: Finished) -> int:
    tensors = (*cell.net_trained.parameters(), *cell.net_trained.buffers())
    return int(1.1 * sum(t.numel() * max(4, t.element_size()) for t in tensors)) + BYTES_BESIDE


def _bytes_at(cell: Finished, bits: int) -> int:
    """The bytes of the file's weights at their bits, and of all that may stand beside them."""
    coded = cell.held.within(bits) * bits / 8
    more = sum(t.size for t in cell.held.codes_of_more(bits))
    floats = 4 * sum(t.size for t in cell.held.floats())
    vectors = [p for p in cell.net_trained.parameters() if p.dim() < 2]
    others = 4 * sum(t.numel() for t in (*vectors, *cell.net_trained.buffers()))
    layers = BYTES_PER_LAYER * len(cell.sizes) + BYTES_BESIDE
    return round(1.1 * (coded + more + floats + others)) + layers + 2 * cell.held_before.other_bytes


def _weights(cell: Finished) -> Iterator[str]:
    """Weights that are too many, of too many bits, or other ones than those that were trained."""
    recipe, own, trained = cell.recipe, cell.net.state_dict(), cell.net_trained.state_dict()
    if recipe in ("prune", "prune_global", "prune_bits8", "factorize", "remove_layers"):
        before, after = cell.held_before.initializer_bytes, cell.held.initializer_bytes
        if after >= before:
            yield f"the file holds {after} bytes of numbers, the fp32 file {before}"
    if recipe in ("clip", "remove_layers"):
        for name in cell.sizes:
            same = name in own and own[name].shape == trained[name].shape
            if same and not np.isin(own[name], [*trained[name].ravel(), 0.0]).all():
                yield f"{name} holds numbers that the trained module has not"
    if recipe == "clip":
        zeros = sum(int((w == 0).sum()) for w in oracles.matrices(cell.net).values())
        if zeros < 0.8 * CLIPPED * (1 - cell.untouched) * cell.num_weights:
            yield f"only {zeros} of {cell.num_weights} weights are zeros"
    if recipe in ("bits4", "bits2", "bits1", "binarize"):
        more = cell.held.codes_of_more(BITS[recipe])
        # Quantize leaves the first and the last layer 8 bits.
        ends = 0 if recipe == "binarize" else 2
        if len(more) > max(ends, cell.told.count("8 bits")):
            shapes = ", ".join(str(t.shape) for t in more)
            yield f"{len(more)} tensors have more than {BITS[recipe]} bits: {shapes}"


def _outcomes(cell: Finished) -> Iterator[str]:
    """Shares of changed weights that the only compression tells, and the file does not show."""
    total = sum(one.num_weights for one in cell.outcomes)
    # Clip tells of each tensor how much of it is 0, were it little.
    if len(cell.result.outcomes) == 1 and total and cell.recipe != "clip":
        told = sum(one.num_weights for one in cell.outcomes if one.change) / total
        if told > 1 - cell.untouched + OVERSTATED:
            shown = 1 - cell.untouched
            yield f"{told:.0%} of the weights are told to be changed, the file shows {shown:.0%}"


def _frozen(cell: Finished) -> Iterator[str]:
    """Frozen weights that a training has changed."""
    own = dict(cell.net.body.named_parameters())
    trained = dict(cell.net_trained.body.named_parameters())
    before = dict(cell.cell.network(0).body.named_parameters()) if cell.cell.declared.frozen else {}
    for name in cell.cell.declared.frozen:
        source = trained if cell.recipe in ("prune", "prune_global") else before
        is_watched = cell.recipe in ("train", "prune", "prune_global") and name in own
        if is_watched and not np.isin(own[name].detach(), source[name].detach()).all():
            yield f"{name} is frozen, but was trained"
