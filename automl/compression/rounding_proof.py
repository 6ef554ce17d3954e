"""Proof that layers which are edited compute what they did, but for what is rounded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from torch import Tensor, nn

from automl.compression.proof import answers_alike
from automl.compression.quantized_layers import without_rounding
from automl.models.deployed import predict
from automl.models.family import Network
from automl.models.watching import watching

Edit = TypeVar("Edit")

FAR = 0.3
"""The error of what a layer gives, in shares of its deviation, above which 8 bits do not suit
what it reads."""


def unproven(
    network: Network,
    start: Network,
    layer_edits: Mapping[str, Edit],
    edited: Callable[[Mapping[str, Edit]], Network],
    rows: Tensor,
) -> dict[str, str]:
    """The layers that do not compute what they did, though their edits change no number when
    nothing is rounded, each with its reason.

    `edited` makes the network with some of the edits; `start` is that with all.
    """
    if _alike(network, start, rows):
        return {}
    reason = "reads its weight in a way that cannot be followed"
    alone = ({name: edit} for name, edit in layer_edits.items())
    wrong = {name for one in alone if not _alike(network, edited(one), rows) for name in one}
    return dict.fromkeys(wrong or layer_edits, reason)


def far(network: Network, start: Network, names: Iterable[str], rows: Tensor) -> dict[str, float]:
    """The layers whose results are far from what they were because of the 8 bits of what they read,
    each with its error in shares of the results' deviation."""
    layers = {name: network.body.get_submodule(name) for name in names}
    errors, spreads = defaultdict[str, float](float), defaultdict[str, float](float)

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        given = start.body.get_submodule(name)(inputs[0])
        errors[name] += (given - outputs).square().sum().item()
        spreads[name] += (outputs - outputs.mean()).square().sum().item()

    with without_rounding(start, most_bits=7), watching(layers, note):
        predict(network.body, rows)
    shares = {name: (errors[name] / max(spreads[name], 1e-12)) ** 0.5 for name in errors}
    return {name: share for name, share in shares.items() if not share < FAR}


def _alike(network: Network, start: Network, rows: Tensor) -> bool:
    # Layers that an earlier step quantized round in both.
    with without_rounding(network), without_rounding(start):
        return answers_alike(network, start, rows)
