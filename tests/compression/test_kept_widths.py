import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.compression.kept_widths import Width, kept_width, least_missed, measured_widths, ranked
from automl.recipe import LayerOption

SIZES = st.lists(st.tuples(st.integers(1, 70), st.sampled_from([1, 8])), min_size=1)
FRACTIONS = st.floats(0.05, 0.95)


def losing(size, multiple, cost):
    """A width that loses `cost` by each unit."""
    options = [
        LayerOption(n, n, cost * (size - n)) for n in (size, *measured_widths(size, multiple))
    ]
    return Width(torch.rand(size), size, multiple, options)


@pytest.mark.parametrize(
    ("width", "fraction", "expected"),
    [
        (64, 0.5, 32),
        (64, 0.3, 40),
        (16, 0.25, 8),
        (16, 0.9, 8),
        (8, 0.5, 8),
        (20, 0.1, 16),
        (80, 0.8, 16),
        (640, 0.9, 64),
    ],
)
def test_widths_left_are_multiples_of_eight(width, fraction, expected):
    assert kept_width(width, fraction, 8) == expected


@settings(deadline=None)
@given(SIZES, FRACTIONS, st.sampled_from([ranked, least_missed]), st.integers(0, 99))
def test_where_widths_compete_they_keep_a_quarter_and_multiples(pairs, fraction, scope, seed):
    torch.manual_seed(seed)
    widths = [losing(size, multiple, torch.rand(1).item()) for size, multiple in pairs]
    for left, (size, multiple) in zip(scope(widths, fraction), pairs):
        assert min(size, multiple) <= left <= size
        assert left >= size / 4
        assert left % multiple == 0 or left == size


@given(st.integers(1, 300), st.sampled_from([1, 8]))
def test_what_is_measured_is_narrower_and_can_be_kept(size, multiple):
    found = measured_widths(size, multiple)
    assert found == sorted(set(found), reverse=True)
    assert len(found) <= 6
    for width in found:
        assert size / 4 <= width < size
        assert width % multiple == 0


def test_the_lowest_scores_of_all_widths_go():
    even, skewed = torch.linspace(0.9, 1.1, 32), torch.tensor([0.01] * 24 + [3.0] * 8)

    def left(scale, multiple, fraction):
        scores = [even, scale * skewed]
        return ranked([Width(own, 32, multiple) for own in scores], fraction)

    assert left(1, 8, 0.375) == left(1000, 8, 0.375) == [32, 8]
    assert left(1, 1, 0.5) == [24, 8]


def test_units_go_where_least_is_lost_by_them():
    cheap, dear = losing(64, 8, 0.1), losing(64, 8, 1.0)
    assert least_missed([cheap, dear], 0.25) == [32, 64]
    assert least_missed([cheap, dear], 0.5) == [16, 48]
    assert least_missed([dear, cheap, dear], 0.25) == [64, 16, 64]


@given(SIZES, st.lists(FRACTIONS, min_size=2, max_size=4))
def test_what_went_in_a_round_is_gone_in_the_next(pairs, fractions):
    widths = [losing(size, multiple, 1 + i % 3) for i, (size, multiple) in enumerate(pairs)]
    left = [size for size, _ in pairs]
    for fraction in sorted(fractions):
        widths = [Width(w.scores[:n], w.size, w.multiple, w.options) for w, n in zip(widths, left)]
        narrower = least_missed(widths, fraction)
        assert all(n <= before for n, before in zip(narrower, left))
        left = narrower
