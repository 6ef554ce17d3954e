"""Low-rank approximations of weights: tensors in, smaller tensors out, no modules.

Principal directions of a layer's outputs: https://arxiv.org/abs/1505.06798; spatial
factorisation: https://arxiv.org/abs/1405.3866; Tucker-2: https://arxiv.org/abs/1511.06530
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Choose: TypeAlias = Callable[[Tensor], int]
"""From the energies of the directions, largest first, to the number of them that is kept."""


def rank_of_energy(energies: Tensor, share: float) -> int:
    """The least rank, at least 1, that keeps this share of `energies` (directions,), the largest
    first."""
    kept = energies.double().cumsum(0)
    enough = (share - 1e-9) * kept[-1]
    return 1 + int((kept < enough).sum())


def svd(weight: Tensor, choose: Choose) -> tuple[Tensor, Tensor]:
    """`first` (rank, inputs) and `last` (outputs, rank), whose product is next to `weight`."""
    u, s, v = torch.linalg.svd(weight.double(), full_matrices=False)
    rank = choose(s**2)
    root = s[:rank].sqrt()
    return (root[:, None] * v[:rank]).to(weight), (u[:, :rank] * root).to(weight)


def pca(
    weight: Tensor, bias: Tensor, mean: Tensor, covariance: Tensor, choose: Choose
) -> tuple[Tensor, Tensor, Tensor]:
    """`first` (rank, inputs), `last` (outputs, rank) and the bias (outputs,) of `last`, by the
    principal directions of the outputs.

    `mean` (outputs,) and `covariance` (outputs, outputs) are those of the outputs
    `weight @ x + bias`; their mean is kept exactly.
    """
    energies, directions = torch.linalg.eigh(covariance.double())
    rank = min(choose(energies.flip(0).clamp_min(0)), *weight.shape)
    kept, middle = directions.flip(1)[:, :rank], mean.double()
    shift = middle + kept @ (kept.T @ (bias.double() - middle))
    return (kept.T @ weight.double()).to(weight), kept.to(weight), shift.to(weight)


def spatial(weight: Tensor, choose: Choose) -> tuple[Tensor, Tensor]:
    """A kernel (outputs, inputs, high, wide) as `first` (rank, inputs, high, 1) and `last`
    (outputs, rank, 1, wide)."""
    outputs, inputs, high, wide = weight.shape
    matrix = weight.permute(0, 3, 1, 2).reshape(outputs * wide, inputs * high)
    first, last = svd(matrix, choose)
    return (
        first.reshape(-1, inputs, high, 1),
        last.reshape(outputs, wide, -1).permute(0, 2, 1)[:, :, None],
    )


def tucker(weight: Tensor, choose: Choose) -> tuple[Tensor, Tensor, Tensor]:
    """A kernel (outputs, inputs, *sides) as `first` (in rank, inputs), a core (out rank,
    in rank, *sides) and `last` (outputs, out rank)."""
    last, first = (_directions(weight.double().movedim(mode, 0), choose) for mode in (0, 1))
    core = torch.einsum("oi...,or,is->rs...", weight.double(), last, first)
    return first.T.to(weight), core.to(weight), last.to(weight)


def _directions(unfolded: Tensor, choose: Choose) -> Tensor:
    """The strongest directions of the first dimension, orthonormal, as columns."""
    u, s, _ = torch.linalg.svd(unfolded.flatten(1), full_matrices=False)
    kept: Tensor = u[:, : choose(s**2)]
    return kept
