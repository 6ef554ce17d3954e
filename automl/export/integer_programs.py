"""Programs in which 8-bit layers are spelled as integers, by quantize and dequantize operators.

A runtime recognises a layer between these operators and computes it with integers: its codes of
weights are read, and its result is quantized right where it is made.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Graph, Node
from torch.nn.utils import parametrize

from automl.compression.coded_weight import CodedWeight, coded_weights
from automl.compression.rounded_inputs import Rounding
from automl.export.traced import traced
from automl.models.deployed import Deployed

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
PRODUCTS = ("linear", "conv1d", "conv2d", "convolution")
PASSING = ("relu", "relu_", "max_pool1d", "max_pool2d", "flatten", "view", "reshape")
"""Operators through which a rounding may go back: it is the same before them as after them."""
FUSED = ("relu", "relu_")
LOW, HIGH, OFFSET = -128, 127, 128
"""The range of the int8 values that uint8 ones become, and how far these lie below."""


@dataclass(frozen=True)
class IntegerProgram:
    """A program with the names of the layers that it computes with integers, and of those whose
    codes it holds as floats, since no rounding follows them."""

    program: ExportedProgram
    integers: tuple[str, ...]
    floats: tuple[str, ...]


def traced_with_integers(
    deployed: Deployed, rows: Tensor, most_rows: int, name: str, *, has_codes: bool
) -> IntegerProgram:
    """The program of a module, which is changed in place, for up to so many rows at once.

    `rows` (rows, ...) are examples. It holds the codes of weights where it `has_codes`, else the
    numbers that they stand for, from which a converter makes the codes again. Raises Rejected,
    with the format's name, where there is none.
    """
    coded = {
        source.removesuffix(".parametrizations.weight.original"): weight
        for source, _, weight in coded_weights(deployed)
    }
    spelled = {
        layer for layer, weight in coded.items() if _may_be_integers(deployed, layer, weight)
    }
    _spell(deployed, spelled, has_codes)
    program = traced(deployed, rows, most_rows, name)
    alone = spelled - set(_rounded_layers(program))
    if alone:
        for layer in alone:
            source = deployed.get_submodule(f"{layer}.parametrizations.weight")
            assert isinstance(source, parametrize.ParametrizationList)
            _hold(source, getattr(deployed.get_submodule(layer), "weight"))  # noqa: B009
        program = traced(deployed, rows, most_rows, name)
    for product in _products(program):
        _round_at_once(program.graph, product)
    program.graph_module.recompile()
    return IntegerProgram(
        program, tuple(sorted(spelled - alone)), tuple(sorted(coded.keys() - (spelled - alone)))
    )


def know_operators() -> None:
    """Have torch know the operators that quantize, without what their packages say meanwhile."""
    for name in ("torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("torchao.quantization.pt2e")


def in_words(traced: IntegerProgram, file: str, runtime: str) -> tuple[str, ...]:
    """The layers of a file with and without integers, in a sentence; none without codes."""
    if not traced.integers and not traced.floats:
        return ()
    total = len(traced.integers) + len(traced.floats)
    said = f"{file} computes {len(traced.integers)} of {total} quantized layers with integers"
    if not traced.floats:
        return (said,)
    names = ", ".join(name.removeprefix("model.body.") for name in traced.floats)
    why = f"for which {runtime} has no integer kernel, or no rounding follows"
    return (f"{said}, and holds the weights of these as fp32, {why}: {names}",)


class _Quantized(nn.Module):
    """The codes of a weight times their scales, as operators that a runtime recognises.

    With `numbers` the codes are quantized from these, which some converters want to do themselves.
    """

    scale: Tensor
    zero_points: Tensor
    numbers: Tensor | None

    def __init__(self, weight: CodedWeight, numbers: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("scale", weight.scale.detach().clone())
        self.register_buffer("zero_points", torch.zeros(len(weight.scale), dtype=torch.int64))
        self.register_buffer("numbers", numbers)

    def forward(self, codes: Tensor) -> Tensor:
        if self.numbers is not None:
            codes = torch.ops.quantized_decomposed.quantize_per_channel(
                self.numbers, self.scale, self.zero_points, 0, -HIGH, HIGH, torch.int8
            )
        spelled: Tensor = torch.ops.quantized_decomposed.dequantize_per_channel(
            codes, self.scale, self.zero_points, 0, -HIGH, HIGH, torch.int8
        )
        return spelled


class _Held(nn.Module):
    """The numbers that a tensor is computed to be, in the place of what computes them."""

    numbers: Tensor

    def __init__(self, numbers: Tensor) -> None:
        super().__init__()
        self.register_buffer("numbers", numbers.detach().clone())

    def forward(self, source: Tensor) -> Tensor:
        return self.numbers


class _SpelledRounding(nn.Module):
    """A rounding to uint8 as operators of int8, the type for which runtimes have kernels."""

    def __init__(self, rounding: Rounding) -> None:
        super().__init__()
        self.scale = float(rounding.scale)
        self.zero_point = int(rounding.zero_point) - OFFSET
        is_narrow = rounding.steps < HIGH - LOW
        self.ends = (float(rounding.low), float(rounding.high)) if is_narrow else None

    def forward(self, values: Tensor) -> Tensor:
        if self.ends is not None:
            values = values.clamp(*self.ends)
        grid = (self.scale, self.zero_point, LOW, HIGH, torch.int8)
        codes = torch.ops.quantized_decomposed.quantize_per_tensor(values, *grid)
        spelled: Tensor = torch.ops.quantized_decomposed.dequantize_per_tensor(codes, *grid)
        return spelled


def _may_be_integers(deployed: Deployed, layer: str, weight: CodedWeight) -> bool:
    """Tell if a layer reads 8 bits, and runtimes have integer kernels of its kind."""
    if layer.endswith(".original"):
        return False
    is_known = isinstance(deployed.get_submodule(layer), LAYERS)
    return is_known and weight.activation_bits == 8 and weight.axis == 0


def _spell(deployed: Deployed, layers: Collection[str], has_codes: bool) -> None:
    """Spell the weights of these layers, and every rounding, as operators; hold all other weights
    as numbers."""
    for name, module in list(deployed.named_modules()):
        if isinstance(module, parametrize.ParametrizationList):
            owner, _, tensor = name.rpartition(".parametrizations.")
            layer, weight = deployed.get_submodule(owner), module[0]
            if owner in layers and tensor == "weight" and isinstance(weight, CodedWeight):
                numbers = getattr(layer, tensor)
                module[0] = _Quantized(weight, None if has_codes else numbers.detach().clone())
            else:
                _hold(module, getattr(layer, tensor))
        elif isinstance(module, Rounding):
            deployed.set_submodule(name, _SpelledRounding(module))


def _hold(source: parametrize.ParametrizationList, numbers: Tensor) -> None:
    """Hold a tensor as the numbers that it is computed to be, and none of what it came from."""
    source[0] = _Held(numbers)
    if isinstance(held := getattr(source, "original", None), Tensor):
        held.data = held.data[:0]


def _products(program: ExportedProgram) -> Iterator[Node]:
    """The products of a program whose weights are spelled as integers."""
    for node in program.graph.nodes:
        if _kind(node) in PRODUCTS and _kind(node.args[1]) == "dequantize_per_channel":
            yield node


def _rounded_layers(program: ExportedProgram) -> Iterator[str]:
    """The layers all of whose products reach a rounding."""
    is_rounded: dict[str, bool] = {}
    for product in _products(program):
        scales = _node(_node(product.args[1]).args[1])
        scale = program.graph_signature.inputs_to_buffers[scales.name]
        layer = scale.removesuffix(".parametrizations.weight.0.scale")
        is_rounded[layer] = is_rounded.get(layer, True) and _rounding_after(product) is not None
    yield from (layer for layer, own in is_rounded.items() if own)


def _node(argument: object) -> Node:
    assert isinstance(argument, Node)
    return argument


def _kind(node: object) -> str:
    """The name of a node's operator, without its overload; "" of what is no call."""
    if not isinstance(node, Node) or node.op != "call_function":
        return ""
    return str(getattr(node.target, "_opname", "") or node.target).split(".")[0]


def _rounding_after(product: Node) -> Node | None:
    """The quantize operator that alone reads a product, through what a rounding passes."""
    node = product
    while len(node.users) == 1:
        (node,) = node.users
        if _kind(node) == "quantize_per_tensor":
            return node
        if _kind(node) not in PASSING:
            return None
    return None


def _round_at_once(graph: Graph, product: Node) -> None:
    """Have a product rounded as soon as it is made, or rectified, and not only later on."""
    rounding = _rounding_after(product)
    assert rounding is not None
    (first,) = product.users
    made = first if _kind(first) in FUSED else product
    if rounding.args[0] is made:
        return
    dequantize = next(iter(rounding.users))
    with graph.inserting_after(made):
        codes = graph.create_node("call_function", rounding.target, (made, *rounding.args[1:]))
    with graph.inserting_after(codes):
        values = graph.create_node(
            "call_function", dequantize.target, (codes, *dequantize.args[1:])
        )
    codes.meta["val"] = made.meta["val"].to(torch.int8)
    values.meta["val"] = made.meta["val"].clone()
    made.replace_all_uses_with(values, delete_user_cb=lambda user: user is not codes)
