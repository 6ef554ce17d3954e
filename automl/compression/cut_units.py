"""Units taken out of a network, every other weight unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from automl.compression.fold_batch_norm import Biased, Removed
from automl.compression.proof import same
from automl.compression.traced_widths import resized
from automl.errors import Rejected, UserError
from automl.models.deployed import device_of, predict
from automl.models.family import Group, Network, last_edit
from automl.models.imported import Imported
from automl.models.layer_edits import LayerEdit
from automl.recipe import Step

TRAINED_ROWS = 3


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
            mask[part.entries(_others(group, units)).flatten()] = False
    for (name, dim), mask in stay.items():
        tensor = state[name]
        state[name] = tensor.index_select(dim, mask.nonzero().flatten().to(tensor.device))
    if isinstance(spec.model, Imported):
        less = [group.size - len(units) for group, units in zip(groups, kept, strict=True)]
        smaller = Network(replace(spec, layer_edits=resized(network, state, groups, less)))
    else:
        widths = tuple(len(units) for units in kept)
        smaller = Network(replace(spec, model=spec.model.with_widths(widths)))
    smaller.body.load_state_dict(_under_all_names(network.body, state))
    return smaller


def silence(network: Network, groups: Sequence[Group], kept: Sequence[Tensor]) -> Network:
    """The network with all that makes the other units set to 0; `kept` as in `cut`."""
    state = dict(network.body.state_dict())
    for group, units in zip(groups, kept, strict=True):
        for part in group.produced:
            entries = part.entries(_others(group, units)).flatten().to(state[part.name].device)
            state[part.name] = state[part.name].index_fill(part.dim, entries, 0)
    silent = Network(network.spec)
    silent.body.load_state_dict(_under_all_names(network.body, state))
    return silent


def checked_cut(
    network: Network, groups: Sequence[Group], kept: Sequence[Tensor], rows: Tensor
) -> tuple[Network | None, str]:
    """Cut a network, and prove on `rows` (rows, *input shape) that to remove units is to silence
    what makes them. No network but the reason where it is not."""
    expected = predict(silence(network, groups, kept), rows)
    try:
        smaller = cut(network, groups, kept)
        answers = predict(smaller, rows)
        _train_once(smaller, rows[:TRAINED_ROWS])
    except Exception as error:  # a user's module may raise anything when its layers are narrower
        first = " ".join(str(error).split())[:160]
        return None, f"the module then raises {type(error).__name__}: {first}"
    if same(answers, expected):
        return smaller, ""
    if answers.shape != expected.shape:
        shapes = f"{tuple(answers.shape)} instead of {tuple(expected.shape)}"
        return None, f"the module then gives answers of shape {shapes} (a size in forward?)"
    return None, "the module then answers otherwise than with these units at 0"


def _train_once(network: Network, rows: Tensor) -> None:
    """Raise what a module raises while it trains, as one does whose auxiliary head reads units that
    are gone: evaluation does not call such a head."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    device = device_of(network)
    try:
        with torch.no_grad():
            network.train()(rows.to(device))
    finally:
        network.eval()
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])


def _others(group: Group, units: Tensor) -> Tensor:
    gone = torch.ones(group.size, dtype=torch.bool)
    gone[units.cpu()] = False
    return gone.nonzero().flatten()


def _under_all_names(body: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state in which a tensor of several names is under each what it is under the first."""
    first: dict[int, str] = {}
    named = (*body.named_parameters(remove_duplicate=False), *body.named_buffers())
    return state | {
        name: state[first.setdefault(id(tensor), name)] for name, tensor in named if name in state
    }
