"""The integers that weights and activations become, and the scales that fit them best.

At 8 and 4 bits codes are whole numbers, at 2 and 1 bits odd ones: {-3, -1, 1, 3} and {-1, 1}.
All are symmetric, so that a batch norm of negative weight can be merged by flipping signs.
"""

from __future__ import annotations

import torch
from torch import Tensor

LIMITS = {8: 127, 4: 7, 2: 3, 1: 1}
"""The largest code at each width."""

PAIR_LIMIT = 128
SHRINKS = torch.linspace(0.2, 1.0, 41)
TINY = 1e-12


def codes_of(scaled: Tensor, bits: int) -> Tensor:
    """The nearest codes of weights that are divided by their scale, as floats."""
    limit = LIMITS[bits]
    whole = scaled.round() if bits > 2 else 2 * torch.floor(scaled / 2) + 1
    return whole.clamp(-limit, limit)


def weight_scale(rows: Tensor, bits: int) -> Tensor:
    """Per row of weights (outputs, inputs), a positive scale; below 8 bits that of least
    squared error among clipped ones."""
    if bits == 8:
        return _scale_without_overflow(rows)
    if bits == 1:
        return rows.abs().mean(1).clamp_min(TINY)
    largest = rows.abs().amax(1).clamp_min(TINY)
    candidates = largest * SHRINKS.to(rows.device)[:, None] / LIMITS[bits]
    errors = [
        ((codes_of(rows / s[:, None], bits) * s[:, None] - rows) ** 2).sum(1) for s in candidates
    ]
    best = torch.stack(errors).argmin(0)
    return candidates.gather(0, best[None])[0]


def _scale_without_overflow(rows: Tensor) -> Tensor:
    """Per row the least scale with codes in ±127 and no two of one sign beyond 128 together.

    Kernels on processors without VNNI add two products in 16 bits, and 255 × 128 is the most
    that a signed sum of them can hold.
    """
    pairs = [side.topk(min(2, rows.shape[1]), dim=1).values for side in (rows, -rows)]
    reach = torch.stack([pair.clamp_min(0).sum(1) for pair in pairs]).amax(0) / (PAIR_LIMIT - 1)
    return torch.maximum(rows.abs().amax(1) / LIMITS[8], reach).clamp_min(TINY)


def activation_grid(values: Tensor, bits: int) -> tuple[float, int]:
    """Scale and zero point of the 2^bits steps that fit some values best, zero among them.

    At 8 bits they reach from the least to the greatest value; below, a clipped range may
    lose less.
    """
    low, high = min(0.0, values.min().item()), max(0.0, values.max().item())
    steps = 2**bits - 1
    grids = []
    for shrink in SHRINKS.tolist() if bits < 8 else (1.0,):
        scale = max((high - low) * shrink, TINY) / steps
        grids.append((scale, min(steps, max(0, round(-low * shrink / scale)))))
    errors = [((rounded(values, *grid, steps) - values) ** 2).sum().item() for grid in grids]
    return grids[errors.index(min(errors))]


def rounded(values: Tensor, scale: float | Tensor, zero_point: int | Tensor, steps: int) -> Tensor:
    """Values on a grid of codes 0 to `steps`."""
    return ((values / scale).round() + zero_point).clamp(0, steps).sub(zero_point).mul(scale)
