"""Weights of any module: each tensor that its layers multiply with, and what uses it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from automl.errors import Rejected, unknown
from automl.models.dataflow import flow_of

LINEAR = (nn.Linear,)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
LAYERS = (*LINEAR, *CONVOLUTIONS, *TRANSPOSED, *EMBEDDINGS)
"""Layers of torch whose `weight` is always a weight, however few numbers it has."""

FEWEST = 256
"""Numbers of a tensor that is worth being stored otherwise, unless it is such a layer's."""

ADDING = frozenset(
    [
        *("add", "add_", "__add__", "__radd__", "__iadd__", "cat", "concat", "concatenate"),
        *("stack", "expand", "expand_as", "repeat", "__getitem__", "index_select", "to"),
    ]
)
"""Uses of a table, which is added to or put beside what passes, and not multiplied with it."""

OTHER_VALUES = (-100.0, 0.0)
"""Factors that make other values of a tensor's: larger than a bias beside them, and none."""


@dataclass(frozen=True)
class Weight:
    """A tensor of weights: the layer that holds it, its name there, and other names of it.

    It `is_tied` where another layer holds it too: more than a layer under several names.
    """

    layer: str
    tensor: str
    values: nn.Parameter
    module: nn.Module
    others: tuple[str, ...] = ()
    is_tied: bool = False

    @property
    def name(self) -> str:
        """The name in the body, such as "head.weight"."""
        return f"{self.layer}.{self.tensor}".lstrip(".")

    @property
    def label(self) -> str:
        """The name that a user reads: the layer's own where its `weight` is meant."""
        return self.layer if self.tensor == "weight" and self.layer else self.name

    @property
    def is_of_layer(self) -> bool:
        """Tell if the tensor is the `weight` of one of torch's own layers, or of a subclass."""
        return self.tensor == "weight" and isinstance(self.module, LAYERS)

    def in_any(self, names: Iterable[str]) -> bool:
        """Tell if the tensor, or a module around it, has one of these names."""
        own = (self.name, *self.others)
        return any(f"{one}.".startswith(f"{name}.") for one in own for name in names)


def weights(body: nn.Module) -> list[Weight]:
    """The tensors of at least two dimensions that a body learns, in its order.

    A tensor under several names is listed once. What a parametrization computes is not listed.
    """
    names = defaultdict[int, list[str]](list)
    for name, parameter in body.named_parameters(remove_duplicate=False):
        names[id(parameter)].append(name)
    found, seen = [], set[int]()
    for layer, module in body.named_modules():
        if isinstance(module, parametrize.ParametrizationList) or ".parametrizations." in layer:
            continue
        for tensor, parameter in module.named_parameters(recurse=False):
            if id(parameter) in seen or not _is_weight(module, tensor, parameter):
                continue
            seen.add(id(parameter))
            own = f"{layer}.{tensor}".lstrip(".")
            others = tuple(name for name in names[id(parameter)] if name != own)
            holders = [body.get_submodule(name.rpartition(".")[0]) for name in others]
            is_tied = any(holder is not module for holder in holders)
            found.append(Weight(layer, tensor, parameter, module, others, is_tied))
    return found


def uses(body: nn.Module, found: Iterable[Weight], rows: Tensor) -> dict[str, set[str]]:
    """The functions outside of torch's own layers that take each tensor, by its name, while a body
    answers `rows` (rows, ...). Tensors on which no answer depends are left out.

    Where no gradient arrives, as behind `torch.no_grad()` or an argmax, other values are tried.
    """
    tensors = {weight.name: weight.values for weight in found}
    calls = flow_of(body, rows).calls
    frozen = [tensor for tensor in tensors.values() if not tensor.requires_grad]
    try:
        for tensor in frozen:
            tensor.requires_grad_(True)
        with torch.enable_grad():
            answers = body(rows)
        reached = _reached(answers, list(tensors.values()))
    finally:
        for tensor in frozen:
            tensor.requires_grad_(False)
    return {
        name: {call.name for call in calls if id(tensor) in (number for number, _ in call.read)}
        for (name, tensor), is_reached in zip(tensors.items(), reached, strict=True)
        if is_reached or _moves_answers(body, rows, tensor)
    }


def why_unused(weight: Weight, used: Mapping[str, set[str]]) -> str:
    """The reason why a tensor is no weight of what the network computes; "" where it is one."""
    own = used.get(weight.name)
    if own is None:
        return "plays no part in the answers"
    if own and not weight.is_of_layer and own <= ADDING:
        return "is added to what passes, not multiplied with it"
    return ""


def turned(weight: Tensor, groups: int) -> Tensor:
    """The weight (inputs, outputs of a group, ...) of a transposed convolution as (outputs, inputs
    of a group, ...), in which other convolutions hold theirs, or back."""
    return weight.reshape(groups, -1, *weight.shape[1:]).transpose(1, 2).flatten(0, 1)


def check_names(body: nn.Module, step: str, names: Iterable[str]) -> None:
    """Raise Rejected at a name that is neither a module's nor a tensor's."""
    known = [name for name, _ in body.named_modules(remove_duplicate=False) if name]
    known += [name for name, _ in body.named_parameters(remove_duplicate=False)]
    for name in names:
        if name not in known:
            raise Rejected(f"{step}: {unknown('layer', name, known)}")


def by_label(body: nn.Module) -> dict[str, Weight]:
    """The tensors that a body learns, by the name that a user reads."""
    return {weight.label: weight for weight in weights(body)}


def _reached(answers: Tensor, tensors: list[Tensor]) -> list[bool]:
    """Tell of each tensor if a gradient arrives at it; true of all where torch cannot tell."""
    if not answers.requires_grad:
        return [True] * len(tensors)
    try:
        found = torch.autograd.grad(answers.sum(), tensors, allow_unused=True)
    except RuntimeError:
        # As where a module changed in place what it had passed to a layer.
        return [True] * len(tensors)
    return [gradient is not None for gradient in found]


def _moves_answers(body: nn.Module, rows: Tensor, tensor: nn.Parameter) -> bool:
    """Tell if a body answers `rows` (rows, ...) otherwise where a tensor has other values."""
    kept = tensor.detach().clone()
    with torch.no_grad():
        before = body(rows)
        try:
            for factor in OTHER_VALUES:
                tensor.copy_(kept * factor)
                if not torch.equal(body(rows), before):
                    return True
        except Exception:  # a user's module may raise anything at values that it never has
            return True
        finally:
            tensor.copy_(kept)
    return False


def _is_weight(module: nn.Module, tensor: str, parameter: nn.Parameter) -> bool:
    if tensor == "weight" and isinstance(module, LAYERS):
        return True
    wide = sum(size > 1 for size in parameter.shape)
    return wide > 1 and parameter.numel() >= FEWEST and math.prod(parameter.shape) > 0
