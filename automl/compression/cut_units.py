"""Units taken out of a network, every other weight unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from automl.compression.fold_batch_norm import Biased, Removed
from automl.compression.traced_widths import resized
from automl.errors import Rejected, UserError
from automl.models.deployed import predict
from automl.models.family import Group, LayerEdit, Network, Slice, last_edit
from automl.models.imported import Imported
from automl.recipe import Step

TOLERANCE = 1e-4
"""How far answers may differ, in shares of the largest."""


def check_order(step: Step, before: Sequence[Step]) -> None:
    """Raise UserError where a step that cuts layers would find others in their place."""
    for earlier in before:
        if earlier.remakes_layers:
            raise UserError(f"{step} cannot cut the layers that {earlier} makes; put it before")


def refuse_changed(step: str, network: Network, *but: type[LayerEdit]) -> None:
    """Raise Rejected at a layer that was changed in another way than these."""
    found = {name: last_edit(network, name) for name in network.spec.layer_edits}
    changed = {name: made for name, made in found.items() if not isinstance(made, but)}
    for name in sorted(changed, key=lambda name: isinstance(changed[name], Removed | Biased))[:1]:
        what = type(changed[name]).__name__.lower()
        raise Rejected(f"{step}: layer {name!r} is {what} already; put {step} before what did that")


def cut(network: Network, groups: Sequence[Group], kept: Sequence[Tensor]) -> Network:
    """The network with only the kept units of each group, given as numbers (units,)."""
    spec, state = network.spec, dict(network.body.state_dict())
    stay: dict[tuple[str, int], Tensor] = {}
    for group, units in zip(groups, kept, strict=True):
        for part in (*group.produced, *group.consumed):
            length = state[part.name].shape[part.dim]
            mask = stay.setdefault((part.name, part.dim), torch.ones(length, dtype=torch.bool))
            mask[_entries(part, _others(group, units))] = False
    for (name, dim), mask in stay.items():
        tensor = state[name]
        state[name] = tensor.index_select(dim, mask.nonzero().flatten().to(tensor.device))
    if isinstance(spec.model, Imported):
        smaller = Network(replace(spec, layer_edits=resized(network, state)))
    else:
        widths = tuple(len(units) for units in kept)
        smaller = Network(replace(spec, model=spec.model.with_widths(widths)))
    smaller.body.load_state_dict(state)
    return smaller


def silence(network: Network, groups: Sequence[Group], kept: Sequence[Tensor]) -> Network:
    """The network with all that makes the other units set to 0; `kept` as in `cut`."""
    state = dict(network.body.state_dict())
    for group, units in zip(groups, kept, strict=True):
        for part in group.produced:
            entries = _entries(part, _others(group, units)).to(state[part.name].device)
            state[part.name] = state[part.name].index_fill(part.dim, entries, 0)
    silent = Network(network.spec)
    silent.body.load_state_dict(state)
    return silent


def checked_cut(
    network: Network, groups: Sequence[Group], kept: Sequence[Tensor], rows: Tensor
) -> Network:
    """Cut a network, and prove on `rows` (rows, *input shape) that to remove units is to silence
    what makes them.

    Raises Rejected with the layer's name where it is not.
    """
    smaller = _proven(network, groups, kept, rows)
    if smaller is not None:
        return smaller
    for group, units in zip(groups, kept, strict=True):
        if _proven(network, [group], [units], rows) is None:
            raise Rejected(_wrong(group.makers[0]))
    raise Rejected(_wrong(*(group.makers[0] for group in groups)))


def _proven(
    network: Network, groups: Sequence[Group], kept: Sequence[Tensor], rows: Tensor
) -> Network | None:
    """The cut network; None where it does not answer as the silenced network does."""
    expected = predict(silence(network, groups, kept), rows)
    try:
        smaller = cut(network, groups, kept)
        answers = predict(smaller, rows)
    except Exception:  # a user's module may raise anything when its layers change their sizes
        return None
    if answers.shape != expected.shape:
        return None
    largest = (answers - expected).abs().max()
    return smaller if largest <= TOLERANCE * expected.abs().max() else None


def _wrong(*layers: str) -> str:
    names = ", ".join(repr(layer) for layer in layers)
    return (
        f"Prune: {names} cannot be cut, the module then answers otherwise than with these units "
        f"at 0 (a size of its own in forward?); leave it whole with keep=({names},)"
    )


def _others(group: Group, units: Tensor) -> Tensor:
    gone = torch.ones(group.size, dtype=torch.bool)
    gone[units.cpu()] = False
    return gone.nonzero().flatten()


def _entries(part: Slice, units: Tensor) -> Tensor:
    return (part.start + units[:, None] * part.block + torch.arange(part.block)).flatten()
