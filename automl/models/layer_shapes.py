"""Shapes of a network's layers, read off its empty module: numbers, products, and their use."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from automl.config import canonical, decode
from automl.models.building_blocks import LayerScale
from automl.models.empty_networks import EMPTY, empty_network, is_ours
from automl.models.family import ModelFamily, Network, Spec
from automl.models.plain_layers import BATCH_NORMS, KINDS, described, followed_by_norm
from automl.models.watching import watching

Call: TypeAlias = tuple[tuple[int, ...], int]
"""The shape of one row that a layer reads, and its multiply-accumulates."""


@dataclass(frozen=True)
class LayerShape:
    """A linear or convolution layer, for one row.

    `built_with` is the text of the layer's settings; empty where those depend on weights, and
    `weight_shape` then only says how many weights there are at least. `input_shape` is that of
    a row without the batch. `least_nonzero` are the weights that surely are not 0, with numbers
    that are not 0 by themselves. Of a layer that an exporter may leave out (not
    `is_surely_used`) nothing else is sure either.
    """

    name: str
    built_with: str
    weight_shape: tuple[int, ...]
    num_outputs: int
    has_bias: bool
    input_shape: tuple[int, ...]
    macs: int
    least_nonzero: int
    bits: float = 32
    is_surely_used: bool = True

    @property
    def num_weights(self) -> int:
        return math.prod(self.weight_shape)


@dataclass(frozen=True)
class EmbeddingShape:
    """An embedding: a row of `width` numbers for each of `num_rows` tokens."""

    name: str
    num_rows: int
    width: int
    bits: float = 32


@dataclass(frozen=True)
class NetworkShape:
    """A network's layers in their order, and what is beside them.

    `other_numbers` are random at first, `norm_numbers` are those of norms. `attention_macs` are
    the products of attention for one row. A network that `is_ours` is of a family of this package:
    no weight is 0 before any training, and layers are called in their order. A user's module
    `has_other_weights` where it holds any beside these layers, as a recurrent layer does.
    """

    layers: tuple[LayerShape, ...]
    other_numbers: int
    norm_numbers: int
    attention_macs: int
    is_ours: bool
    embeddings: tuple[EmbeddingShape, ...] = ()
    has_other_weights: bool = False

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one row, of what is surely used."""
        return self.attention_macs + sum(
            layer.macs for layer in self.layers if layer.is_surely_used
        )

    @property
    def is_partly_zeros(self) -> bool:
        """Tell if steps may have set weights to 0."""
        return any(layer.least_nonzero < layer.num_weights for layer in self.layers)


@lru_cache(maxsize=4096)
def family_of(text: str) -> ModelFamily:
    """The family of which a text is the canonical JSON."""
    family: ModelFamily = decode(json.loads(text))
    return family


@lru_cache(maxsize=4096)
def network_shape(
    family_text: str, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int
) -> NetworkShape | None:
    """The shape of a family's network; None where the empty module does not show it."""
    family = family_of(family_text)
    spec = Spec(family.without_weights(), input_shape, num_outputs, num_tokens)
    try:
        return (_of_ours if is_ours(family) else _of_users)(spec)
    except Exception:
        # A module without numbers may raise anything, and one of the user's more than that.
        return None


def chain_shapes(
    name: str, chain: nn.Sequential, input_shape: tuple[int, ...]
) -> tuple[LayerShape, ...]:
    """The shapes of a chain of empty layers that stands under a name and reads such rows."""
    calls = _calls(chain, torch.empty(1, *input_shape, device=EMPTY))
    return tuple(
        _layer_shape(f"{name}.{i}", layer, *calls[i])
        for i, layer in chain.named_children()
        if isinstance(layer, KINDS)
    )


def is_in(name: str, modules: Iterable[str]) -> bool:
    """Tell if a layer of this name is one of these modules, or stands in one."""
    return any(f"{name}.".startswith(f"{module}.") for module in modules)


class _Shapes(TorchFunctionMode):
    """Counts the products of attention; skips what takes most of the time of empty tensors.

    torch's own `FlopCounterMode` counts the same products, but takes four to seven times as long
    (25 ms, not 4, for a Transformer of two layers), and a search asks for hundreds of networks.
    Nor does it keep the shape of what each layer reads, which low ranks need.
    """

    SAME = (
        *(F.batch_norm, F.layer_norm, F.group_norm),
        *(F.relu, F.gelu, F.silu, F.hardswish),
        *(nn.init.kaiming_uniform_, nn.init.uniform_, nn.init.ones_, nn.init.zeros_),
    )
    """Their result has the shape of their first argument."""

    attention_macs = 0

    def __torch_function__(
        self,
        function: Callable[..., Tensor],
        types: Iterable[type],
        args: tuple[Tensor, ...] = (),
        kwargs: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        named = kwargs or {}
        if function in self.SAME:
            return args[0] if args else named["tensor"]
        if function is F.linear:
            return args[0].new_empty(*args[0].shape[:-1], len(args[1]))
        if function is F.scaled_dot_product_attention:
            queries, keys, values = args[:3]
            products = queries.numel() // queries.shape[-1] * keys.shape[-2]
            self.attention_macs += products * (queries.shape[-1] + values.shape[-1])
            return queries.new_empty(*queries.shape[:-1], values.shape[-1])
        return function(*args, **named)


def _of_ours(spec: Spec) -> NetworkShape:
    with torch.no_grad(), _Shapes() as counted:
        network = empty_network(spec).eval()
        kind = torch.int64 if spec.num_tokens else None
        row = torch.empty(1, *spec.input_shape, dtype=kind, device=EMPTY)
        calls = _calls(network.body, row)
    folded = followed_by_norm(network.body)
    others = _other_shapes(network.body, (*BATCH_NORMS, LayerScale, nn.Embedding))
    return NetworkShape(
        layers=tuple(
            replace(layer, has_bias=layer.has_bias or layer.name in folded)
            for layer in _layer_shapes(network, calls, set(calls))
        ),
        other_numbers=sum(math.prod(shape) for shape in others if len(shape) > 1),
        norm_numbers=sum(math.prod(shape) for shape in others if len(shape) == 1),
        attention_macs=counted.attention_macs,
        is_ours=True,
        embeddings=tuple(
            EmbeddingShape(name, module.num_embeddings, module.embedding_dim)
            for name, module in network.body.named_modules()
            if isinstance(module, nn.Embedding)
        ),
    )


def _of_users(spec: Spec) -> NetworkShape:
    """The shape of a user's module, whose layers count only where they surely are in a file.

    Of a network for text none is sure: what depends on a row shows by gradients, and tokens
    have none.
    """
    network = empty_network(spec).eval()
    calls, reached = dict[str, Call](), set[str]()
    if not spec.num_tokens:
        row = torch.empty(1, *spec.input_shape, device=EMPTY)
        calls, reached = _calls(network.body, row), _reached(network.body, row)
        reached &= _own_weights(network.body)
    layers = tuple(_layer_shapes(network, calls, reached))
    is_more = any(len(shape) > 1 for shape in _other_shapes(network.body))
    return NetworkShape(layers, 0, 0, 0, is_ours=False, has_other_weights=is_more)


def _other_shapes(body: nn.Module, counted: tuple[type[nn.Module], ...] = ()) -> list[torch.Size]:
    """The shapes of parameters of modules beside KINDS and those that are `counted` elsewhere."""
    return [
        parameter.shape
        for module in body.modules()
        if not isinstance(module, (*KINDS, *counted))
        for parameter in module.parameters(recurse=False)
    ]


def _layer_shapes(
    network: Network, calls: Mapping[str, Call], surely_used: set[str]
) -> Iterator[LayerShape]:
    for name, layer in network.body.named_modules():
        if isinstance(layer, KINDS):
            shape = _layer_shape(name, layer, *calls.get(name, ((), 0)))
            yield replace(shape, is_surely_used=name in surely_used)


def _layer_shape(
    name: str, layer: nn.Linear | nn.Conv1d | nn.Conv2d, input_shape: tuple[int, ...], macs: int
) -> LayerShape:
    weight_shape = tuple(layer.weight.shape)
    return LayerShape(
        name=name,
        built_with=canonical(described(layer)),
        weight_shape=weight_shape,
        num_outputs=weight_shape[0],
        has_bias=layer.bias is not None,
        input_shape=input_shape,
        macs=macs,
        least_nonzero=math.prod(weight_shape),
    )


def _plain(body: nn.Module) -> dict[str, nn.Module]:
    return {name: module for name, module in body.named_modules() if isinstance(module, KINDS)}


def _calls(body: nn.Module, rows: Tensor) -> dict[str, Call]:
    """The shape and the products of each layer that is called for one row, (1, *input shape)."""
    calls: dict[str, Call] = {}

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        before = calls.get(name, ((), 0))[1]
        macs = outputs.numel() * layer.get_parameter("weight")[0].numel()
        calls[name] = (tuple(inputs[0].shape[1:]), before + macs)

    with watching(_plain(body), note):
        body(rows)
    return calls


def _reached(body: nn.Module, rows: Tensor) -> set[str]:
    """The layers that can learn, between rows (1, *input shape) and answers.

    No exporter can leave these out, as it does with what is not used and what is constant.
    """
    learning = {name for name, p in body.named_parameters() if p.requires_grad}
    body.requires_grad_(False)
    watched: dict[str, Tensor] = {}

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        if outputs.requires_grad and f"{name}.weight" in learning:
            outputs.retain_grad()
            watched[name] = outputs

    with watching(_plain(body), note):
        answers: Tensor = body(rows.requires_grad_(True))
    answers.sum().backward()  # type: ignore[no-untyped-call]
    return {name for name, outputs in watched.items() if outputs.grad is not None}


def _own_weights(body: nn.Module) -> set[str]:
    """The layers with weights of 4 bytes that no other name leads to: shared weights are kept
    once."""
    named = dict(body.named_parameters(remove_duplicate=False))
    uses = Counter(id(parameter) for parameter in named.values())
    return {
        name.removesuffix(".weight")
        for name, parameter in named.items()
        if uses[id(parameter)] == 1 and parameter.dtype == torch.float32
    }
