"""Proof that a rewrite left a network's answers as they were, on rows right there."""

from __future__ import annotations

import torch
from torch import Tensor

from automl.models.deployed import predict
from automl.models.family import Network

TOLERANCE = 1e-4
"""How far answers may differ, in shares of the largest."""

PROOF_ROWS = 64
"""That are enough to show a difference."""


def some_of(rows: Tensor) -> Tensor:
    """Some rows, evenly from first to last."""
    return rows[:: max(1, len(rows) // PROOF_ROWS)]


def same(answers: Tensor, expected: Tensor) -> bool:
    """Tell if answers (rows, outputs) are those expected, but for the rounding of fp32."""
    if answers.shape != expected.shape or not torch.isfinite(answers).all():
        return False
    return bool((answers - expected).abs().max() <= TOLERANCE * expected.abs().max())


def answers_alike(network: Network, rewritten: Network, rows: Tensor) -> bool:
    """Tell if a rewritten network answers `rows` (rows, *input shape) as the network does.

    A user's module may raise anything when its layers are changed: then it does not.
    """
    # Else a GPU's convolutions round to fewer bits than the tolerance has.
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        expected = predict(network, rows)
        try:
            return same(predict(rewritten, rows), expected)
        except Exception:
            return False
