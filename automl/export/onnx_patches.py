"""Private names of torch's ONNX exporter, each with the reason and what it waits for."""

from __future__ import annotations

import functools

import torch._export.utils as exporting
from torch.onnx._internal.exporter._registration import ONNXRegistry


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
