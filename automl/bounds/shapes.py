"""What stands in a network's layers, told by its empty module alone: numbers, and their use."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from automl.compression.factorize import Factorize
from automl.compression.fold_batch_norm import norms
from automl.compression.plain_layers import KINDS, described
from automl.compression.quantize import quantizable
from automl.config import canonical, decode
from automl.models.family import ModelFamily, Network, Spec
from automl.models.imported import Imported

EMPTY = "meta"
"""The device on which tensors have shapes and no numbers."""

FAMILIES = "automl.models."


Call: TypeAlias = tuple[tuple[int, ...], int]
"""The shape of one row that a layer sees, and its products."""


@dataclass(frozen=True)
class Layer:
    """A linear or convolution layer, for one row.

    `plain` is the text of what it is built with; empty where that depends on weights, and
    `shape` then only says how many there are at least. `seen` is the shape of its input.
    `kept` are the weights that surely are not 0, with numbers that are not 0 by themselves.
    Of a layer that an exporter may leave out, none of this is `certain`.
    """

    name: str
    plain: str
    shape: tuple[int, ...]
    outputs: int
    has_bias: bool
    can_be_integers: bool
    seen: tuple[int, ...]
    macs: int
    kept: int
    bits: int = 32
    certain: bool = True

    @property
    def weights(self) -> int:
        return math.prod(self.shape)

    def in_any(self, modules: Iterable[str]) -> bool:
        """Whether it is one of these modules, or stands in one."""
        return any(f"{self.name}.".startswith(f"{module}.") for module in modules)


@dataclass(frozen=True)
class Layout:
    """A network's layers in their order, and what is beside them: numbers that are random at
    first (`beside`), those of norms (`norms`), and the products of attention.

    `is_ours`: of a family of this package, whose weights are not 0 before any training.
    """

    layers: tuple[Layer, ...]
    beside: int
    norms: int
    attention: int
    is_ours: bool

    @property
    def macs(self) -> int:
        return self.attention + sum(layer.macs for layer in self.layers if layer.certain)


@lru_cache(maxsize=4096)
def model_of(text: str) -> ModelFamily:
    """The family of which a text is the canonical one."""
    model: ModelFamily = decode(json.loads(text))
    return model


@lru_cache(maxsize=4096)
def layout(
    text: str, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int
) -> Layout | None:
    """That of a family, given by its canonical text; None where it cannot be told."""
    model = model_of(text)
    is_ours = type(model).__module__.startswith(FAMILIES) and not isinstance(model, Imported)
    if isinstance(model, Imported):
        model = replace(model, weights="")
    spec = Spec(model, input_shape, num_outputs, num_tokens)
    try:
        with torch.device(EMPTY):
            return (_of_ours if is_ours else _of_users)(spec)
    except Exception:
        # A module without numbers may raise anything, and one of the user's more than that.
        return None


@lru_cache(maxsize=4096)
def factors(step: Factorize, name: str, plain: str, seen: tuple[int, ...]) -> tuple[Layer, ...]:
    """What becomes of a layer that sees such rows, its rank being known; nothing where it stays.

    Raises Rejected as the step does.
    """
    with torch.device(EMPTY):
        parts = step.without_weights(name, decode(json.loads(plain)).build())
        if parts is None:
            return ()
        calls = _calls(parts, torch.empty(1, *seen))
    return tuple(_layer(f"{name}.{i}", layer, *calls[i]) for i, layer in parts.named_children())


class _Shapes(TorchFunctionMode):
    """Counts the products of attention; skips what takes most of the time of empty tensors."""

    SAME = (
        *(F.batch_norm, F.layer_norm, F.group_norm),
        *(F.relu, F.gelu, F.silu, F.hardswish),
        *(nn.init.kaiming_uniform_, nn.init.uniform_, nn.init.ones_, nn.init.zeros_),
    )
    """Their result has the shape of their first argument."""

    attention = 0

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function in self.SAME:
            return args[0] if args else kwargs["tensor"]
        if function is F.linear:
            return args[0].new_empty(*args[0].shape[:-1], len(args[1]))
        if function is F.scaled_dot_product_attention:
            queries, keys, values = args[:3]
            products = queries.numel() // queries.shape[-1] * keys.shape[-2]
            self.attention += products * (queries.shape[-1] + values.shape[-1])
            return queries.new_empty(*queries.shape[:-1], values.shape[-1])
        return function(*args, **(kwargs or {}))


def _of_ours(spec: Spec) -> Layout:
    with torch.no_grad(), _Shapes() as shapes:
        network = Network(spec).eval()
        row = torch.empty(1, *spec.input_shape, dtype=torch.int64 if spec.num_tokens else None)
        calls = _calls(network.body, row)
    folded = {layer for layer, _ in norms(network.body)}
    others = [
        parameter.shape
        for module in network.body.modules()
        if not isinstance(module, (*KINDS, _BatchNorm))
        for parameter in module.parameters(recurse=False)
    ]
    return Layout(
        layers=tuple(
            replace(layer, has_bias=layer.has_bias or layer.name in folded)
            for layer in _layers(network, calls, set(calls))
        ),
        beside=sum(math.prod(shape) for shape in others if len(shape) > 1),
        norms=sum(math.prod(shape) for shape in others if len(shape) == 1),
        attention=shapes.attention,
        is_ours=True,
    )


def _of_users(spec: Spec) -> Layout:
    """Of a text nothing is certain: what depends on it shows by gradients, and tokens have none."""
    network = Network(spec).eval()
    calls, reached = dict[str, Call](), set[str]()
    if not spec.num_tokens:
        row = torch.empty(1, *spec.input_shape)
        calls, reached = _calls(network.body, row), _reached(network.body, row)
        reached &= _own_weights(network.body)
    layers = tuple(_layers(network, calls, reached))
    return Layout(layers, beside=0, norms=0, attention=0, is_ours=False)


def _layers(network: Network, calls: Mapping[str, Call], certain: set[str]) -> Iterator[Layer]:
    integers = quantizable(network)
    for name, layer in network.body.named_modules():
        if isinstance(layer, KINDS):
            made = _layer(name, layer, *calls.get(name, ((), 0)))
            yield replace(made, can_be_integers=name in integers, certain=name in certain)


def _layer(name: str, layer: Any, seen: tuple[int, ...], macs: int) -> Layer:
    shape = tuple(layer.weight.shape)
    return Layer(
        name=name,
        plain=canonical(described(layer)),
        shape=shape,
        outputs=shape[0],
        has_bias=layer.bias is not None,
        can_be_integers=True,
        seen=seen,
        macs=macs,
        kept=math.prod(shape),
    )


def _calls(body: nn.Module, rows: Tensor) -> dict[str, Call]:
    """Of each layer that is called for one row."""
    found: dict[str, Call] = {}

    def watch(name: str) -> Any:
        def note(layer: Any, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
            before = found.get(name, ((), 0))[1]
            macs = outputs.numel() * layer.weight[0].numel()
            found[name] = (tuple(inputs[0].shape[1:]), before + macs)

        return note

    _call(body, rows, watch)
    return found


def _reached(body: nn.Module, rows: Tensor) -> set[str]:
    """The layers that can learn, between rows and answers: no exporter can leave them out, as it
    does with what is not used and what is constant."""
    learning = {name for name, p in body.named_parameters() if p.requires_grad}
    body.requires_grad_(False)
    made: dict[str, Tensor] = {}

    def watch(name: str) -> Any:
        def note(layer: Any, inputs: Any, outputs: Tensor) -> None:
            if outputs.requires_grad and f"{name}.weight" in learning:
                outputs.retain_grad()
                made[name] = outputs

        return note

    _call(body, rows.requires_grad_(True), watch).sum().backward()
    return {name for name, outputs in made.items() if outputs.grad is not None}


def _own_weights(body: nn.Module) -> set[str]:
    """The layers with weights of 4 bytes that no other name leads to: shared ones are kept once."""
    named = dict(body.named_parameters(remove_duplicate=False))
    uses = Counter(id(parameter) for parameter in named.values())
    return {
        name.removesuffix(".weight")
        for name, parameter in named.items()
        if uses[id(parameter)] == 1 and parameter.dtype == torch.float32
    }


def _call(body: nn.Module, rows: Tensor, watch: Callable[[str], Any]) -> Any:
    """The answers, each linear and convolution layer watched by a hook of its own."""
    layers = [(name, m) for name, m in body.named_modules() if isinstance(m, KINDS)]
    hooks = [layer.register_forward_hook(watch(name)) for name, layer in layers]
    answers = body(rows)
    for hook in hooks:
        hook.remove()
    return answers
