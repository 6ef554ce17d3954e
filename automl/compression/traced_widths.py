"""The widths of a user's own module: found by following a call, kept as the sizes of its layers.

What is found only proposes what to cut; a proof (automl/compression/cut_units.py) decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from automl.compression.unit_labels import ANSWERS, READS_ROWS, Labels
from automl.compression.unit_trace import Trace, traced
from automl.compression.width_attributes import (
    Attribute,
    Place,
    attributes_of,
    guesses,
    tensors_of,
)
from automl.errors import Rejected
from automl.models.family import Group, Network, Slice
from automl.models.layer_edits import LayerEdit, TwoEdits
from automl.models.torch_patches import unsaved_buffers

NOT_CALLED = "it is not called in evaluation"


@dataclass(frozen=True)
class Resized(LayerEdit):
    """A layer whose tensors have these shapes, and its attributes these sizes."""

    shapes: dict[str, tuple[int, ...]]
    sizes: dict[str, int]

    def rebuild(self, layer: nn.Module) -> nn.Module:
        for name, size in self.sizes.items():
            setattr(layer, name, size)
        for name, shape in self.shapes.items():
            # The tensor stays the same object: frozen, of its type, and shared where it was.
            tensor = getattr(layer, name)
            tensor.data = tensor.new_zeros(shape)
        return layer


@dataclass(frozen=True)
class Entries(Slice):
    """A part of a tensor of which each unit has the entries of these `numbers`."""

    numbers: tuple[tuple[int, ...], ...] = ()

    def entries(self, units: Tensor) -> Tensor:
        return torch.tensor(self.numbers)[units.cpu()]


@dataclass(frozen=True)
class TracedGroup(Group):
    """A width of a user's module, with the `attributes` of layers that tell its size.

    `guesses` are those of other modules that may do so, as a number of heads. `aliases` are
    further names of the makers.
    """

    attributes: tuple[Attribute, ...] = ()
    guesses: tuple[Attribute, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def makers(self) -> tuple[str, ...]:
        return (*super().makers, *self.aliases)

    def guessed(self) -> TracedGroup:
        return replace(self, attributes=self.attributes + self.guesses, guesses=())


@dataclass(frozen=True)
class TracedWidths:
    """The widths that may be cut, in the order of the layers; the reason of each tensor that
    stays, by name; and a sentence for each width that does for a reason of the module's own."""

    groups: list[TracedGroup]
    reasons: dict[str, str] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)


def traced_widths(network: Network, rows: Tensor, outer: bool = True) -> TracedWidths:
    """The widths of a network that `rows` (rows, *input shape) show; `outer` as in
    `unit_labels.reshaped`. Raises Rejected where it cannot be followed."""
    if any(isinstance(module, torch.jit.ScriptModule) for module in network.body.modules()):
        raise Rejected("Prune: layers of a TorchScript module stay as they are; leave Prune out")
    try:
        trace = traced(network, rows, outer)
    except Exception as error:
        first = " ".join(str(error).split())[:200]
        what = f"{type(error).__name__}: {first}"
        raise Rejected(
            f"Prune: this module cannot be followed ({what}); leave Prune out"
        ) from error
    _join_recurrent(network.body, trace)
    lengths = _lengths(trace)
    groups = [
        _group(network.body, trace, members, lengths)
        for members in _members(trace)
        if not all(_only_reads(trace, place) for place in members)
    ]
    return TracedWidths(groups, *_staying(trace))


def resized(
    network: Network,
    state: Mapping[str, Tensor],
    groups: Sequence[Group],
    less: Sequence[int],
) -> dict[str, LayerEdit]:
    """The layer edits of a network whose tensors have the shapes in `state`, since so many units
    `less` are in each of the groups."""
    sizes: dict[str, dict[str, int]] = defaultdict(dict)
    for group, count in zip(groups, less, strict=True):
        for attribute in group.attributes if isinstance(group, TracedGroup) else ():
            name, own = attribute.name, sizes[attribute.module]
            before = getattr(network.body.get_submodule(attribute.module), name)
            own[name] = own.get(name, before) - count * attribute.step
    layer_edits = dict(network.spec.layer_edits)
    for name, layer in network.body.named_modules():
        shapes = {key: tuple(state[f"{name}.{key}".lstrip(".")].shape) for key in saved_of(layer)}
        changed = {
            key: shape for key, shape in shapes.items() if getattr(layer, key).shape != shape
        }
        if changed or any(getattr(layer, key) != size for key, size in sizes[name].items()):
            layer_edits[name] = _resized_again(layer_edits.get(name), changed, sizes[name])
    return layer_edits


def _resized_again(
    known: LayerEdit | None, shapes: dict[str, tuple[int, ...]], sizes: dict[str, int]
) -> LayerEdit:
    """A layer's edit before the cut, and these shapes and sizes after it."""
    if isinstance(known, Resized):
        return Resized(known.shapes | shapes, known.sizes | sizes)
    if isinstance(known, TwoEdits):
        return replace(known, second=_resized_again(known.second, shapes, sizes))
    resized = Resized(shapes, sizes)
    return resized if known is None else TwoEdits(known, resized)


def _join_recurrent(body: nn.Module, trace: Trace) -> None:
    """Layers and directions of a recurrent module have one number of units."""
    # A weight that modules share is traced under its first name.
    names = {id(tensor): name for name, tensor in body.named_parameters()}
    for module in body.modules():
        if isinstance(module, nn.RNNBase):
            own = [p for key, p in module.named_parameters(recurse=False) if "weight_hh" in key]
            hidden = [trace.labels[names[id(tensor)]][1] for tensor in own]
            for labels in hidden[1:]:
                if labels is not None and hidden[0] is not None:
                    trace.known.units.join(hidden[0], labels)


def _members(trace: Trace) -> list[dict[Place, list[list[int]]]]:
    """Widths: for each dimension that one runs through, the entries of each of its units."""
    units = trace.known.units
    entries: dict[int, dict[Place, list[int]]] = defaultdict(lambda: defaultdict(list))
    for name, dims in trace.labels.items():
        for dim, labels in enumerate(dims):
            if labels is None or name not in trace.called:
                continue
            for number, root in enumerate(units.roots(labels).tolist()):
                if units.reason(root) is None:
                    entries[root][name, dim].append(number)
    alike: dict[tuple[tuple[Place, int], ...], list[dict[Place, list[int]]]] = defaultdict(list)
    for places in entries.values():
        alike[tuple((place, len(numbers)) for place, numbers in places.items())].append(places)
    return [
        {place: [unit[place] for unit in found] for place in found[0]}
        for found in alike.values()
        if len(found) > 1
    ]


def _lengths(trace: Trace) -> dict[bytes, dict[str, dict[int, int]]]:
    """For the units of a width: by module, the lengths that dimensions of them had in it, and how
    much less each is without a unit."""
    found: dict[bytes, dict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for name, dims in trace.lengths.items():
        for labels in dims:
            roots = np.unique(trace.known.units.roots(labels))
            found[roots.tobytes()][name][len(labels)] = len(labels) // len(roots)
    return found


def _group(
    body: nn.Module,
    trace: Trace,
    members: Mapping[Place, list[list[int]]],
    lengths: Mapping[bytes, Mapping[str, Mapping[int, int]]],
) -> TracedGroup:
    sides: tuple[list[Slice], list[Slice]] = ([], [])
    for place, numbers in members.items():
        part = Entries(*place, len(numbers[0]), numbers=tuple(map(tuple, numbers)))
        sides[_only_reads(trace, place)].append(part)
    produced, consumed = map(tuple, sides)
    size = len(next(iter(members.values())))
    blocks = {place: len(numbers[0]) for place, numbers in members.items()}
    whole = {id(weight) for weight in trace.known.whole_groups}
    known = attributes_of(body, blocks, whole)
    (name, dim), numbers = next(iter(members.items()))
    own = trace.labels[name][dim]
    assert own is not None
    roots = np.unique(trace.known.units.roots(own[[unit[0] for unit in numbers]]))
    maybe = guesses(body, lengths.get(roots.tobytes(), {}))
    # Heads and groups are no widths that a runtime sees.
    wide = min(
        max(blocks[part.name, part.dim] for part in produced),
        min((blocks[part.name, part.dim] for part in consumed), default=1),
    )
    return TracedGroup(size, produced, consumed, wide < 4, tuple(known), tuple(maybe))


def saved_of(layer: nn.Module) -> list[str]:
    """The names of a layer's own tensors that are saved, as `tensors_of`."""
    unsaved = unsaved_buffers(layer)
    return [name for name, _ in tensors_of(layer) if name not in unsaved]


def _staying(trace: Trace) -> tuple[dict[str, str], list[str]]:
    """The reason of each tensor that stays, and a sentence for each width that does."""
    units, reasons = trace.known.units, dict[str, str]()
    widths: dict[int, str] = {}
    for name, dims in trace.labels.items():
        if name not in trace.called:
            reasons[name] = NOT_CALLED
            continue
        made = [dim for dim, own in enumerate(dims) if _among(own, trace.made)]
        unread = [dim for dim, own in enumerate(dims) if not _among(own, trace.read)]
        for dim in made or unread[::-1] or range(len(dims)):
            for root in _roots(trace, dims[dim]):
                reason = units.reason(root)
                if reason:
                    reasons.setdefault(name, reason)
                if reason and reason not in (ANSWERS, READS_ROWS) and dim in made:
                    widths.setdefault(root, f"{_layer(name)!r} stays as wide as it is: {reason}")
    return reasons, list(dict.fromkeys(widths.values()))


def _roots(trace: Trace, labels: Labels | None) -> list[int]:
    return [] if labels is None else np.unique(trace.known.units.roots(labels)).tolist()


def _only_reads(trace: Trace, place: Place) -> bool:
    """Tell if a dimension of a tensor reads units, and makes none with the same numbers."""
    labels = trace.labels[place[0]][place[1]]
    return _among(labels, trace.read) and not _among(labels, trace.made)


def _among(labels: Labels | None, others: Labels) -> bool:
    return labels is not None and bool(np.isin(labels, others).any())


def _layer(tensor: str) -> str:
    return tensor.rpartition(".")[0] or tensor
