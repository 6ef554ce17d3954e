"""Weights that ship as integer codes: a layer stays what it is, and its weight is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from automl.config import Config
from automl.models.torch_patches import follow_computed_weights

ONNX_VERSION = 19
"""The operator version of QuantizeLinear that every recent onnxruntime knows."""


@dataclass(frozen=True)
class Codes(Config):
    """The codes of a tensor: a scale for each entry of dimension `axis`, integers of `bits`.

    `levels` are the codes of a codebook.
    """

    bits: float
    axis: int = 0
    levels: tuple[int, ...] = ()


class CodedWeight(nn.Module):
    """The weight (outputs, inputs, ...) that int8 codes of the same shape stand for.

    It is a parametrization (`torch.nn.utils.parametrize`) of the codes: they times a `scale`
    for each entry of dimension `axis`. With `learns_scale` a training changes the scale. Above 0
    `activation_bits` are those of what the layer reads, so that a runtime may compute with
    integers alone.
    """

    scale: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        coded: Codes,
        *,
        activation_bits: int = 0,
        learns_scale: bool = False,
    ) -> None:
        super().__init__()
        self.shape, self.bits, self.axis = shape, coded.bits, coded.axis
        self.activation_bits = activation_bits
        scale = torch.ones(shape[self.axis])
        if learns_scale:
            self.scale = nn.Parameter(scale)
        else:
            self.register_buffer("scale", scale)

    def forward(self, codes: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():
            return self._in_onnx(codes)
        return codes * along(self.scale, codes, self.axis)

    @property
    def is_integer_convolution(self) -> bool:
        """Tell if a runtime is to compute the layer as an integer convolution."""
        return len(self.shape) > 2 and self.activation_bits == 8

    def _in_onnx(self, codes: Tensor) -> Tensor:
        """Linear layers of integers tell that their zero points are 0: where they do not,
        onnxruntime 1.20 takes the codes for uint8 ones, and a newer one computes with floats."""
        parts = [codes, self.scale]
        if len(self.shape) == 2 and self.activation_bits:
            parts.append(torch.zeros_like(self.scale, dtype=torch.int8))
        return onnx_node("DequantizeLinear", tuple(parts), torch.float32, axis=self.axis)


def code(layer: nn.Module, tensor: str, weight: CodedWeight) -> None:
    """Have a layer's tensor computed from codes, which are 0 for now."""
    delattr(layer, tensor)
    layer.register_buffer(tensor, torch.zeros(weight.shape, dtype=torch.int8))
    compute(layer, tensor, weight)


def compute(layer: nn.Module, tensor: str, weight: nn.Module) -> None:
    """Have a layer's tensor computed by a parametrization of the tensor that it holds."""
    parametrize.register_parametrization(layer, tensor, weight, unsafe=True)
    follow_computed_weights(layer)


def held(layer: nn.Module, tensor: str = "weight") -> Tensor:
    """The tensor from which a layer computes another: of a coded weight, its codes."""
    source = layer.get_submodule(f"parametrizations.{tensor}")
    assert isinstance(source, parametrize.ParametrizationList)
    return source.original


def computing(layer: nn.Module, tensor: str = "weight") -> nn.Module | None:
    """The module that computes a layer's tensor; None of a tensor that is the layer's own."""
    if not parametrize.is_parametrized(layer, tensor):
        return None
    return layer.get_submodule(f"parametrizations.{tensor}.0")


def coded_weight(layer: nn.Module, tensor: str = "weight") -> CodedWeight | None:
    """The coded weight that a layer computes with, if it has one."""
    found = computing(layer, tensor)
    return found if isinstance(found, CodedWeight) else None


def coded_weights(module: nn.Module) -> Iterator[tuple[str, Tensor, CodedWeight]]:
    """The codes of a module: their name in its state, they, and what they stand for.

    Those of tied weights come under each of their names.
    """
    for name, source in module.named_modules(remove_duplicate=False):
        if isinstance(source, parametrize.ParametrizationList):
            weight = source[0]
            if isinstance(weight, CodedWeight):
                yield f"{name}.original", source.original, weight


def each_once(module: nn.Module) -> dict[str, tuple[Tensor, CodedWeight]]:
    """The codes of a module and what they stand for, by the first of their names."""
    found: dict[int, tuple[str, Tensor, CodedWeight]] = {}
    for name, codes, weight in coded_weights(module):
        found.setdefault(id(weight), (name, codes, weight))
    return {name: (codes, weight) for name, codes, weight in found.values()}


def along(values: Tensor, weight: Tensor, axis: int = 0) -> Tensor:
    """Values (entries,) in the shape in which they multiply a weight along its dimension `axis`."""
    shape = [1] * weight.dim()
    shape[axis] = -1
    return values.view(shape)


def onnx_node(
    name: str, inputs: tuple[Tensor, ...], dtype: torch.dtype, **attributes: int
) -> Tensor:
    """A node of the exported graph, whose result has the shape of its first input."""
    node: Tensor = torch.onnx.ops.symbolic(
        name, inputs, dict(attributes), dtype=dtype, shape=inputs[0].shape, version=ONNX_VERSION
    )
    return node
