import math

import pytest

from automl.training.schedules import Cosine, Fixed, Staircase


@pytest.mark.parametrize("step", range(0, 1000, 7))
def test_values_match_the_closed_form(step):
    progress = step / 1000
    assert Fixed(0.3).at(progress) == 0.3
    assert Staircase(32, 2.0, 4).at(progress) == 32 * 2 ** (step * 4 // 1000)
    expected = (
        (progress + 1e-3) / (0.1 + 1e-3)
        if step < 100
        else 0.1 + 0.9 * (1 + math.cos(math.pi * (step - 100) / 900)) / 2
    )
    assert Cosine(1.0, warmup=0.1, final=0.1).at(progress) == pytest.approx(expected)


def test_a_cosine_without_warmup_starts_at_its_peak():
    assert Cosine(1.0, warmup=0.0).at(0.0) == 1.0
