"""Claims of a network on its file, and the first one that the file does not hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import onnx

from automl.compression.coded_weight import coded_weights
from automl.export.packing import stored_bits
from automl.models.family import Network

BYTES_PER_LAYER = 600
BYTES_BESIDE = 500
BYTES_PER_INPUT = 16
"""Of a channel or a column: its mean and deviation, or its place in the row."""


@dataclass(frozen=True)
class Claims:
    """`bits` counts weights by their width; `max_bytes` is what they, the scales and biases and
    all that is not quantized may take, names of classes and columns aside;
    `integer_convolutions` are to run as such."""

    bits: dict[int, int]
    max_bytes: int
    integer_convolutions: int


def claims(network: Network) -> Claims:
    """The claims of a network, collected from its layers."""
    found = [weight.claim() for _, _, weight in coded_weights(network)]
    bits: Counter[int] = Counter()
    for claim in found:
        bits[claim.bits] += claim.num_weights
    own = sum(claim.num_bytes for claim in found)
    others = 4 * sum(p.numel() for p in network.parameters())
    if not network.spec.num_tokens:
        others += BYTES_PER_INPUT * network.spec.input_shape[0] + 8 * network.spec.num_outputs
    return Claims(
        bits=dict(bits),
        max_bytes=round(1.05 * (own + others) + BYTES_PER_LAYER * len(found) + BYTES_BESIDE),
        integer_convolutions=sum(claim.is_integer_convolution for claim in found),
    )


def broken_claim(file: bytes, optimised: bytes, claimed: Claims) -> str:
    """The first claim that a file does not hold, in words; "" when it holds them all.

    `optimised` is the file as onnxruntime runs it.
    """
    if not claimed.bits:
        return ""
    if (stored := stored_bits(file)) != claimed.bits:
        return f"holds {_in_words(stored)}, where {_in_words(claimed.bits)} are claimed"
    names = sum(entry.ByteSize() for entry in onnx.load_from_string(file).metadata_props)
    if (num_bytes := len(file) - names) > claimed.max_bytes:
        return f"has {num_bytes} bytes, more than the {claimed.max_bytes} that its weights explain"
    fused = sum(
        node.op_type == "QLinearConv" for node in onnx.load_from_string(optimised).graph.node
    )
    if fused < claimed.integer_convolutions:
        return f"runs {fused} of {claimed.integer_convolutions} convolutions as integer ones"
    return ""


def _in_words(bits: dict[int, int]) -> str:
    parts = [f"{count} weights of {width} bits" for width, count in sorted(bits.items())]
    return ", ".join(parts) or "no quantized weights"
