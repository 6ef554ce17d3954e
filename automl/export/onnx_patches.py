"""Private names of torch's ONNX exporter, each with the reason and what it waits for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch._export.utils as exporting
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.nn.modules import transformer
from torch.onnx._internal.exporter import _fx_passes
from torch.onnx._internal.exporter._registration import ONNXRegistry

from automl.export.lowered import lowered

DECOMPOSED = _fx_passes.decompose_with_registry


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
    """Have the exporter trace a program a second time only where its operators ask for that.

    The second trace writes operators that ONNX lacks in others, and takes longer than all else.
    Seen in torch 2.13; waits for an exporter that asks first.
    """
    with mock.patch.object(_fx_passes, "decompose_with_registry", _decomposed):
        yield


def _decomposed(program: ExportedProgram, registry: ONNXRegistry) -> ExportedProgram:
    def is_whole(operator: object) -> bool:
        return isinstance(operator, OpOverload) and _is_whole(operator, registry)

    return program if lowered(program, is_whole) else DECOMPOSED(program, registry)


def _is_whole(operator: OpOverload, registry: ONNXRegistry) -> bool:
    """Tell if an operator stays as it is in a second trace."""
    if operator.namespace == "onnx_symbolic":
        return True
    if operator._schema.is_mutable or not registry.is_registered(operator):
        return False
    return not exporting._is_cia_op(operator) or exporting._is_preservable_cia_op(operator)
