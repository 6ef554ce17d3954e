import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from automl.compression import quantization_grid
from automl.compression.quantization_grid import (
    LIMITS,
    TERNARY,
    activation_grid,
    codebook,
    codes_of,
    levels_with_zero,
    rounded,
    weight_scale,
)
from automl.compression.quantize import ACTIVATION_BITS

CODES = {
    8: range(-127, 128),
    6: range(-31, 32),
    5: range(-15, 16),
    4: range(-7, 8),
    3: range(-7, 8, 2),
    2: (-3, -1, 1, 3),
    TERNARY: (-1, 0, 1),
    1: (-1, 1),
}
FEW = [bits for bits in LIMITS if bits < 8]


@pytest.mark.parametrize("bits", LIMITS)
def test_codes_are_the_nearest_of_their_grid(bits):
    scaled = torch.linspace(-150, 150, 7001) / (127 / LIMITS[bits])
    codes = codes_of(scaled, bits)
    assert set(codes.tolist()) == set(CODES[bits])
    nearest = (scaled[:, None] - torch.tensor(list(CODES[bits]))).abs().amin(1)
    assert torch.allclose((scaled - codes).abs(), nearest, atol=1e-5)


@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 1000))
def test_no_two_codes_of_a_sign_can_overflow_a_16_bit_pair(outputs, inputs, seed):
    torch.manual_seed(seed)
    rows = torch.randn(outputs, inputs) * torch.logspace(-6, 3, outputs)[:, None]
    scale = weight_scale(rows, 8)[:, None]
    codes = codes_of(rows / scale, 8).int()
    assert codes.abs().max() <= 127
    for side in (codes, -codes):
        largest = side.clamp_min(0).topk(min(2, inputs), dim=1).values.sum(1)
        assert 255 * largest.max() <= 2**15 - 1
    assert ((codes * scale - rows).abs() <= 0.501 * scale).all()


@pytest.mark.parametrize("bits", FEW)
def test_no_other_scale_fits_the_weights_much_better(bits):
    torch.manual_seed(0)
    rows = torch.randn(5, 200)

    def error(scale):
        return ((codes_of(rows / scale, bits) * scale - rows) ** 2).sum(1)

    best = torch.stack([error(s) for s in torch.linspace(0.01, 4, 800)]).amin(0)
    assert (error(weight_scale(rows, bits)[:, None]) <= 1.05 * best).all()


@given(
    st.integers(1, 4),
    st.integers(1, 60),
    st.sampled_from(sorted({*FEW} - {TERNARY})),
    st.integers(0, 1000),
)
def test_a_codebook_is_symmetric_and_cannot_overflow(outputs, inputs, bits, seed):
    torch.manual_seed(seed)
    levels = codebook(torch.randn(outputs, inputs) ** 3, bits)
    assert 2 <= len(levels) <= 2**bits
    assert list(levels) == sorted({-level for level in levels})
    assert 2 * 255 * max(levels) <= 2**15 - 1


@given(st.sampled_from([6, 5, 4, 3, 2]), st.floats(0, 1), st.integers(0, 99))
def test_a_codebook_of_weights_with_zeros_has_a_0(bits, share, seed):
    torch.manual_seed(seed)
    rows = torch.randn(3, 20) * (torch.rand(3, 20) < share)
    levels = codebook(rows, bits, has_zero=True)
    assert 0 in levels
    assert 3 <= len(levels) < 2**bits or not rows.any()
    assert list(levels) == sorted({-level for level in levels})


@pytest.mark.parametrize("bits", LIMITS.keys() - {1})
def test_every_width_but_1_bit_has_codes_with_a_0(bits):
    levels = levels_with_zero(bits)
    assert not levels or len(levels) == 2**bits - 1
    assert codes_of(torch.tensor([0.0, 0.4]), bits, levels).tolist() == [0, 0]


def test_codes_of_a_codebook_are_the_nearest():
    scaled = torch.linspace(-80, 80, 3001)
    codes = codes_of(scaled, 2, (-64, -17, 17, 64))
    nearest = (scaled[:, None] - torch.tensor([-64, -17, 17, 64])).abs().amin(1)
    assert torch.allclose((scaled - codes).abs(), nearest)


@given(st.floats(-10, 10), st.floats(-10, 10), st.sampled_from(ACTIVATION_BITS))
def test_zero_is_on_every_activation_grid(first, second, bits):
    values = torch.linspace(min(first, second), max(first, second), 100)
    scale, zero_point = activation_grid(values, bits)
    assert scale > 0
    assert 0 <= zero_point <= 2**bits - 1
    assert rounded(torch.zeros(1), scale, zero_point, 2**bits - 1) == 0


def test_8_bit_activations_reach_from_the_least_to_the_greatest_value():
    values = torch.tensor([-1.0, 0.3, 3.0])
    scale, zero_point = activation_grid(values, 8)
    assert (rounded(values, scale, zero_point, 255) - values).abs().max() <= scale


def test_ternary_weights_have_no_codebook():
    assert codebook(torch.randn(3, 40), TERNARY) == ()


def test_a_codebook_of_very_many_weights_is_made_of_some_of_them(monkeypatch):
    rows = torch.randn(300, 1001, generator=torch.Generator().manual_seed(0))
    whole = codebook(rows, 4)
    with monkeypatch.context() as patched:
        patched.setattr(quantization_grid, "MOST_SIZES", 2**16)
        pairs = zip(codebook(rows, 4), whole, strict=True)
        assert max(abs(own - other) for own, other in pairs) <= 1
    monkeypatch.setattr(quantization_grid, "LLOYD_ROUNDS", 1)
    assert codebook(torch.ones(2**12 + 1, 2**12), 2) == (-64, 64)
