import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.compression import low_rank
from automl.compression.low_rank import rank_of_energy

SIZE = st.integers(1, 9)
SEED = st.integers(0, 10_000)
KERNELS = st.tuples(SIZE, SIZE, st.integers(1, 5), st.integers(1, 5))


def exactly(rank):
    return lambda energies: min(rank, len(energies))


def everything(energies):
    return len(energies)


def gaussian(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def spatial_product(first, last):
    return torch.einsum("rih,orw->oihw", first[..., 0], last[:, :, 0])


def tucker_product(first, core, last):
    return torch.einsum("si,rs...,or->oi...", first, core, last)


def errors(weight, product, decompose, ranks):
    return [(product(*decompose(weight, exactly(r))) - weight).norm().item() for r in ranks]


def falls_to_nothing(values, scale):
    below = all(after <= before + 1e-5 * scale for before, after in zip(values, values[1:]))
    return below and values[-1] <= 1e-5 * scale


@settings(deadline=None, max_examples=50)
@given(SIZE, SIZE, SEED)
def test_a_product_of_two_matrices_nears_the_weight_as_its_rank_grows(outputs, inputs, seed):
    weight = gaussian(seed, outputs, inputs)
    ranks = range(1, min(outputs, inputs) + 1)
    found = errors(weight, lambda first, last: last @ first, low_rank.svd, ranks)
    assert falls_to_nothing(found, weight.norm().item())
    for rank in ranks:
        first, last = low_rank.svd(weight, exactly(rank))
        assert (first.shape, last.shape) == ((rank, inputs), (outputs, rank))
    best = torch.linalg.svdvals(weight)
    assert all(abs(e - best[r:].norm()) < 1e-4 * weight.norm() for r, e in zip(ranks, found))


@settings(deadline=None, max_examples=50)
@given(KERNELS, SEED)
def test_a_kernel_as_a_column_and_a_row(shape, seed):
    weight = gaussian(seed, *shape)
    outputs, inputs, high, wide = shape
    most = min(inputs * high, outputs * wide)
    found = errors(weight, spatial_product, low_rank.spatial, range(1, most + 1))
    assert falls_to_nothing(found, weight.norm().item())
    first, last = low_rank.spatial(weight, exactly(1))
    assert (first.shape, last.shape) == ((1, inputs, high, 1), (outputs, 1, 1, wide))


@settings(deadline=None, max_examples=50)
@given(KERNELS, st.booleans(), SEED)
def test_a_kernel_as_a_core_between_two_matrices(shape, of_series, seed):
    shape = shape[:3] if of_series else shape
    weight = gaussian(seed, *shape)
    found = errors(weight, tucker_product, low_rank.tucker, range(1, max(shape[:2]) + 1))
    assert falls_to_nothing(found, weight.norm().item())
    first, core, last = low_rank.tucker(weight, exactly(1))
    assert (first.shape, last.shape) == ((1, shape[1]), (shape[0], 1))
    assert core.shape == (1, 1, *shape[2:])


@settings(deadline=None, max_examples=50)
@given(SIZE, SIZE, SEED)
def test_principal_directions_of_the_outputs_keep_the_outputs(outputs, inputs, seed):
    """On the very rows that they come from no factors of that rank come nearer than PCA's."""
    weight, bias = gaussian(seed, outputs, inputs), gaussian(seed + 1, outputs)
    rows = gaussian(seed + 2, 64, inputs) @ gaussian(seed + 3, inputs, inputs)
    given = rows @ weight.T + bias
    covariance = (given - given.mean(0)).T @ (given - given.mean(0)) / len(given)
    scale, found = given.norm().item(), []
    for rank in range(1, min(outputs, inputs) + 1):
        first, last, shift = low_rank.pca(weight, bias, given.mean(0), covariance, exactly(rank))
        assert (first.shape, last.shape) == ((rank, inputs), (outputs, rank))
        answers = rows @ first.T @ last.T + shift
        found.append((answers - given).norm().item())
        assert torch.allclose(answers.mean(0), given.mean(0), atol=1e-4 * scale)
        first, last = low_rank.svd(weight, exactly(rank))
        assert found[-1] <= (rows @ first.T @ last.T + bias - given).norm() + 1e-4 * scale
    assert falls_to_nothing([e / 10 for e in found], scale)


@pytest.mark.parametrize(
    ("energies", "share", "rank"),
    [
        ((6.0, 3.0, 1.0), 0.6, 1),
        ((6.0, 3.0, 1.0), 0.61, 2),
        ((6.0, 3.0, 1.0), 0.9, 2),
        ((6.0, 3.0, 1.0), 1.0, 3),
        ((6.0, 3.0, 0.0), 1.0, 2),
        ((0.0, 0.0), 0.9, 1),
        ((5.0,), 0.1, 1),
    ],
)
def test_the_least_rank_that_keeps_the_energy(energies, share, rank):
    assert rank_of_energy(torch.tensor(energies), share) == rank
