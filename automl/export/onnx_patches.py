"""Private names of torch's ONNX exporter, each with the reason and what it waits for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
import torch._export.utils as exporting
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torch.nn.modules import transformer
from torch.onnx._internal.exporter import _fx_passes
from torch.onnx._internal.exporter._registration import ONNXRegistry
from torch.onnx._internal.fx.passes.type_promotion import (
    TypePromotionTable,
    get_type_promotion_rule,
)

from automl.export.lowered import lowered

DECOMPOSED, PROMOTED = _fx_passes.decompose_with_registry, _fx_passes.insert_type_promotion_nodes
CHECK = torch.ops.aten._assert_tensor_metadata.default
"""Is taken out of every program before it becomes a file."""


@functools.cache
def keep_operators() -> None:
    """Keep the exporter's tables of operators, which it would read anew for each file.

    A trial exports two files and a test suite hundreds; reading the tables takes longer than
    all else. Seen in torch 2.13; waits for an exporter that keeps its registry, or takes one.
    """
    kept = functools.cache(ONNXRegistry.from_torchlib)
    ONNXRegistry.from_torchlib = staticmethod(kept)  # type: ignore[method-assign]
    of_namespace = functools.cache(exporting._collect_all_valid_cia_ops_for_namespace)
    exporting._collect_all_valid_cia_ops_for_namespace = of_namespace


@contextmanager
def masks_as_they_are() -> Iterator[None]:
    """Have `nn.TransformerEncoder` and `nn.TransformerDecoder` add the mask that they are given.

    Both compare its numbers with a causal mask's to choose a faster kernel, and a file cannot go
    on by numbers. Seen in torch 2.13; waits for a comparison that the exporter follows.
    """
    with mock.patch.object(transformer, "_detect_is_causal_mask", _said_to_be_causal):
        yield


def _said_to_be_causal(
    mask: object, is_causal: bool | None = None, size: int | None = None
) -> bool:
    return is_causal is True


@contextmanager
def traced_once() -> Iterator[None]:
    """Have the exporter go through a program again only where its operators ask for that.

    One time writes operators that ONNX lacks in others, and takes longer than all else; another
    casts what is of several types. Seen in torch 2.13; waits for an exporter that asks first.
    """
    with (
        mock.patch.object(_fx_passes, "decompose_with_registry", _decomposed),
        mock.patch.object(_fx_passes, "insert_type_promotion_nodes", _promoted),
    ):
        yield


def _decomposed(program: ExportedProgram, registry: ONNXRegistry) -> ExportedProgram:
    def is_whole(operator: object) -> bool:
        return isinstance(operator, OpOverload) and _is_whole(operator, registry)

    return program if lowered(program, is_whole) else DECOMPOSED(program, registry)


def _is_whole(operator: OpOverload, registry: ONNXRegistry) -> bool:
    """Tell if an operator stays as it is in a second trace."""
    if operator.namespace == "onnx_symbolic" or operator is CHECK:
        return True
    if operator._schema.is_mutable or not registry.is_registered(operator):
        return False
    return not exporting._is_cia_op(operator) or exporting._is_preservable_cia_op(operator)


def _promoted(module: GraphModule) -> None:
    parts = [part for part in module.modules() if isinstance(part, GraphModule)]
    if any(_may_cast(node) for part in parts for node in part.graph.nodes):
        PROMOTED(module)


def _may_cast(node: Node) -> bool:
    """Tell if a node's arguments may be cast: only those of fp32 alone surely stay."""
    if get_type_promotion_rule(node, _casts()) is None:
        return False
    return not all(
        argument is None
        or isinstance(argument, str)
        or (isinstance(argument, Node) and _is_fp32(argument.meta["val"]))
        for argument in (*node.args, *node.kwargs.values())
    )


def _is_fp32(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype == torch.float32


_casts = functools.cache(TypePromotionTable)
