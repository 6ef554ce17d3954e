"""Low-rank approximations of weights: tensors in, smaller tensors out, no modules.

Directions are eigenvectors of products of a matrix with itself, on its shorter side: in fp64
they are as exact as fp32 weights can tell, and found many times as fast as by an SVD.

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

TINY = 1e-9
"""By which nothing is divided that a direction without energy may leave."""


def rank_of_energy(energies: Tensor, share: float) -> int:
    """The least rank, at least 1, that keeps this share of `energies` (directions,), the largest
    first."""
    kept = energies.double().cumsum(0)
    enough = (share - 1e-9) * kept[-1]
    return 1 + int((kept < enough).sum())


def svd(weight: Tensor, choose: Choose) -> tuple[Tensor, Tensor]:
    """`first` (rank, inputs) and `last` (outputs, rank), whose product is next to `weight`."""
    if weight.shape[0] > weight.shape[1]:
        first, last = svd(weight.T, choose)
        return last.T.contiguous(), first.T.contiguous()
    matrix = weight.double()
    directions, energies = _directions(matrix, choose)
    root = energies.sqrt().sqrt().clamp_min(TINY)
    return (directions.T @ matrix / root[:, None]).to(weight), (directions * root).to(weight)


def pca(
    weight: Tensor, bias: Tensor, mean: Tensor, covariance: Tensor, choose: Choose
) -> tuple[Tensor, Tensor, Tensor]:
    """`first` (rank, inputs), `last` (outputs, rank) and the bias (outputs,) of `last`, by the
    principal directions of the outputs.

    `mean` (outputs,) and `covariance` (outputs, outputs) are those of the outputs
    `weight @ x + bias`; their mean is kept exactly.
    """
    spread, middle = covariance.double(), mean.double()
    if weight.shape[0] > weight.shape[1]:
        # Outputs vary in the directions of the weight's columns alone.
        columns = torch.linalg.qr(weight.double()).Q
        spread = columns.T @ spread @ columns
        kept = columns @ _strongest(spread, choose)[0]
    else:
        kept, _ = _strongest(spread, choose)
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
    matrix = weight.double()
    last, first = (_directions(matrix.movedim(mode, 0).flatten(1), choose)[0] for mode in (0, 1))
    core = torch.einsum("oi...,or,is->rs...", matrix, last, first)
    return first.T.to(weight), core.to(weight), last.to(weight)


def _directions(matrix: Tensor, choose: Choose) -> tuple[Tensor, Tensor]:
    """The strongest directions of a matrix (outputs, inputs) among its outputs, orthonormal, as
    columns, and their energies; all directions in which there can be any."""
    outputs, inputs = matrix.shape
    if outputs <= inputs:
        return _strongest(matrix @ matrix.T, choose)
    columns, rest = torch.linalg.qr(matrix)
    directions, energies = _strongest(rest @ rest.T, choose)
    return columns @ directions, energies


def _strongest(products: Tensor, choose: Choose) -> tuple[Tensor, Tensor]:
    """Eigenvectors (features, rank) and eigenvalues (rank,) of products (features, features)."""
    energies, directions = torch.linalg.eigh(products)
    energies = energies.flip(0).clamp_min(0)
    rank = choose(energies)
    return directions.flip(1)[:, :rank], energies[:rank]
