"""Heads of pretrained models: those of the data's classes in their order, others begun anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from automl.data.reading import listed

SPREAD = 0.02
"""The deviation of new weights, as transformers has it."""


def fit(
    model: nn.Module,
    wider: nn.Module,
    files: Iterable[Path],
    stored: Sequence[str],
    classes: Sequence[str],
) -> str:
    """Bring the head that a model has from its files to the data's classes.

    Where the files' own classes, `stored`, are the same, its rows come into the data's order. Any
    other begins anew, which the sentence tells; it is "" where none does. `wider` is the model
    with one output more, and needs no numbers.
    """
    head = _loaded_head(model, wider, files)
    if not head:
        return ""
    if len({*stored}) == len(stored) and {*stored} == {*classes}:
        order = torch.tensor([stored.index(name) for name in classes])
        for tensor in head:
            tensor.copy_(tensor[order])
        return ""
    for tensor in head:
        nn.init.normal_(tensor, std=SPREAD if tensor.dim() > 1 else 0.0)
    if not stored or not classes:
        return "the head begins anew: the stored one is for answers that its files do not name"
    return (
        f"the head begins anew: the stored one is for the classes {listed(stored)}, the data have "
        f"{listed(classes)}; where they are the same, write the latter as id2label in config.json"
    )


def _loaded_head(model: nn.Module, wider: nn.Module, files: Iterable[Path]) -> list[Tensor]:
    """The tensors with a row for each output that the files hold in the model's own size."""
    stored = dict[str, list[int]]()
    for file in files:
        with safe_open(file, "pt") as held:
            names = held.keys()
            stored |= {name: held.get_slice(name).get_shape() for name in names}
    others = wider.state_dict()
    return [
        tensor
        for name, tensor in model.state_dict().items()
        if tensor.shape != others[name].shape and stored.get(name) == list(tensor.shape)
    ]
