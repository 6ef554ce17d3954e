"""Private names of torch's ONNX exporter, each with the reason and what it waits for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch._export.utils as exporting
from torch.nn.modules import transformer
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
