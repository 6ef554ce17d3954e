"""Bytes of a file of few bits, beside those that the bits say."""

import math

from automl.compression.coded_weight import each_once
from automl.compression.quantization_grid import stored_bits

PER_WEIGHT, PER_FILE = 260, 1000
"""The most bytes of operators that unpack and scale a weight, and of the tables that all share."""


def bytes_over_bound(file: bytes, parent: bytes, network) -> float:
    """The bytes of a network's file over the bound that the bits of its weights say.

    By the bound the file holds what the fp32 `parent` holds, each weight in its bits, four bytes
    for each scale, and operators.
    """
    bound = len(parent) + PER_FILE
    for codes, weight in each_once(network).values():
        bound += math.ceil(codes.numel() * stored_bits(weight.bits) / 8) - 4 * codes.numel()
        bound += 4 * len(weight.scale) + PER_WEIGHT
    return len(file) / bound
