"""The integers that weights and activations become, and the scales that fit them best.

At 8 to 4 bits codes are whole numbers, and so are those of ternary weights, {-1, 0, 1}; at 3 to 1
bits odd ones, such as {-3, -1, 1, 3} and {-1, 1}; or they are those of a codebook. All are
symmetric, so that a batch norm of negative weight can be merged by flipping signs.
"""

from __future__ import annotations

import torch
from torch import Tensor

TERNARY = 1.58
"""The bits of a weight that is -1, 0 or 1 times a scale: log2(3), as the literature says. Five are
stored in a byte, which is 1.6 bits. https://arxiv.org/abs/1605.04711"""

LIMITS: dict[float, int] = {8: 127, 6: 31, 5: 15, 4: 7, 3: 7, 2: 3, TERNARY: 1, 1: 1}
"""The largest code at each width."""

ODD = (3, 2, 1)
"""The widths whose codes are odd numbers: with a 0 among them one code less would fit."""

PAIR_LIMIT = 128
LARGEST_LEVEL = PAIR_LIMIT // 2
"""Of a codebook, whose every code may stand next to itself."""

LLOYD_ROUNDS = 30
MOST_SIZES = 2**24
"""Numbers of which torch finds quantiles: a codebook of more weights is made of some, evenly."""
SHRINKS = torch.linspace(0.2, 1.0, 41)
TINY = 1e-12


def stored_bits(bits: float) -> float:
    """The bits that a weight of a width takes in a file."""
    return 8 / 5 if bits == TERNARY else bits


def codes_of(scaled: Tensor, bits: float, levels: tuple[int, ...] = ()) -> Tensor:
    """The nearest codes, as floats, of weights of any shape that are divided by their scale;
    `levels` are the codes of a codebook."""
    if levels:
        codes = torch.tensor(levels, dtype=scaled.dtype, device=scaled.device)
        return codes[torch.bucketize(scaled.contiguous(), (codes[1:] + codes[:-1]) / 2)]
    limit = LIMITS[bits]
    whole = 2 * torch.floor(scaled / 2) + 1 if bits in ODD else scaled.round()
    return whole.clamp(-limit, limit)


def codes_at(bits: float, levels: tuple[int, ...] = ()) -> Tensor:
    """Every code of a width, or of a codebook, from the least to the largest, (codes,)."""
    if levels:
        return torch.tensor(levels, dtype=torch.float32)
    limit = LIMITS[bits]
    return torch.arange(-limit, limit + 1, 2 if bits in ODD else 1, dtype=torch.float32)


def reach(bits: float, levels: tuple[int, ...] = ()) -> float:
    """The distance from 0 up to which the last code is the nearest: a half step beyond the code."""
    if levels:
        return levels[-1] + (levels[-1] - levels[-2]) / 2
    return LIMITS[bits] + (1 if bits in ODD else 0.5)


def weight_scale(rows: Tensor, bits: float, levels: tuple[int, ...] = ()) -> Tensor:
    """A positive scale (outputs,) for each row of weights (outputs, inputs); below 8 bits the
    scale of least squared error among clipped ones."""
    if bits == 8:
        return _scale_without_overflow(rows)
    if bits == 1 and not levels:
        return rows.abs().mean(1).clamp_min(TINY)
    largest = rows.abs().amax(1).clamp_min(TINY)
    last = levels[-1] if levels else LIMITS[bits]
    candidates = largest * SHRINKS.to(rows.device)[:, None] / last
    errors = [
        ((codes_of(rows / s[:, None], bits, levels) * s[:, None] - rows) ** 2).sum(1)
        for s in candidates
    ]
    best = torch.stack(errors).argmin(0)
    return candidates.gather(0, best[None])[0]


def in_16_bits(values: Tensor) -> Tensor:
    """The numbers of 16 bits that are nearest to some of 32; those too large or too small for
    16 bits as they are."""
    halves = values.half().to(values.dtype)
    return torch.where((halves - values).abs() <= 2**-11 * values.abs(), halves, values)


def levels_with_zero(bits: float) -> tuple[int, ...]:
    """The codes of a width of 2 or more, one fewer than it has without a 0 where they are odd;
    none where its usual codes have a 0."""
    if bits not in ODD:
        return ()
    limit = int(2 ** (bits - 1)) - 1
    return tuple(range(-limit, limit + 1))


def codebook(rows: Tensor, bits: float, has_zero: bool = False) -> tuple[int, ...]:
    """The 2^bits codes, or fewer, that k-means finds for weights (outputs, inputs) relative to
    their row's size; none of ternary weights, of which a scale says all. Where it `has_zero`, 0
    is one of them, of 2 or more bits, and found for the weights that are 0. It is
    https://arxiv.org/abs/1510.00149
    """
    if bits == TERNARY:
        return ()
    sizes = (rows / rows.square().mean(1, keepdim=True).sqrt().clamp_min(TINY)).abs().flatten()
    if has_zero and sizes.any():
        sizes = sizes[sizes > 0]
    sizes = sizes[:: -(-len(sizes) // MOST_SIZES)].contiguous()
    half = int(2 ** (bits - 1)) - has_zero
    centres = sizes.quantile((torch.arange(half) + 0.5).to(rows) / half)
    for _ in range(LLOYD_ROUNDS):
        nearest = torch.bucketize(sizes, (centres[1:] + centres[:-1]) / 2)
        sums = torch.zeros_like(centres).index_add_(0, nearest, sizes)
        counts = nearest.bincount(minlength=len(centres))
        centres = torch.where(counts > 0, sums / counts.clamp_min(1), centres)
    whole = (centres / centres[-1].clamp_min(TINY) * LARGEST_LEVEL).round().clamp_min(1)
    levels = sorted({int(level) for level in whole.tolist()} | {LARGEST_LEVEL})
    return (*(-level for level in reversed(levels)), *([0] if has_zero else []), *levels)


def _scale_without_overflow(rows: Tensor) -> Tensor:
    """The least scale of each row with codes in ±127 and no two of one sign beyond 128 together.

    Kernels on processors without VNNI add two products in 16 bits, and 255 × 128 is the most
    that a signed sum of them can hold.
    """
    pairs = [side.topk(min(2, rows.shape[1]), dim=1).values for side in (rows, -rows)]
    reach = torch.stack([pair.clamp_min(0).sum(1) for pair in pairs]).amax(0) / (PAIR_LIMIT - 1)
    return torch.maximum(rows.abs().amax(1) / LIMITS[8], reach).clamp_min(TINY)


def activation_grid(values: Tensor, bits: int) -> tuple[float, int]:
    """Scale and zero point of the 2^bits steps that fit `values` (values,) best, zero among them.

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
    """Values of any shape, rounded to a grid of codes 0 to `steps`, in their shape."""
    return ((values / scale).round() + zero_point).clamp(0, steps).sub(zero_point).mul(scale)
