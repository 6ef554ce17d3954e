"""Figures as every page and the terminal show them."""

import pytest

from automl.tracking.pages import formats


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((0.0, "0.0000"), (0.97214, "0.9721"), (-0.05, "-0.0500"), (0.01, "0.0100")),
        *((0.00123456, "0.00123"), (3.2e-6, "3.2e-06"), (-2e-5, "-2e-05"), (1234.5, "1234.5000")),
    ],
)
def test_a_figure_near_0_keeps_its_digits(value, shown):
    assert formats.figure("rmse", value) == shown


@pytest.mark.parametrize(
    ("value", "error", "shown", "with_error"),
    [
        *((1234.5, 6.2, "1,234", "1,234 ± 6"), (1234.5, 0.25, "1,234", "1,234.5 ± 0.2")),
        *((999.6, 20, "1,000", "1,000 ± 20"), (999.4, 20, "999", "999 ± 20")),
        *((99.96, 20, "100", "100 ± 20"), (12.34, 0.5, "12.3", "12.3 ± 0.5")),
    ],
)
def test_a_time_of_a_second_and_more_is_whole_milliseconds(value, error, shown, with_error):
    assert formats.figure("load_ms", value) == shown
    assert formats.uncertain("load_ms", value, {"load_ms": error}) == with_error


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        *((0.97214, 0.0087, "0.9721 ± 0.009"), (0.97214, 2e-6, "0.972140 ± 0.000002")),
        *((0.0097, 0.00007, "0.00970 ± 0.00007"), (3.214e-6, 2e-8, "3.21e-06 ± 2e-08")),
        *((3.2e-6, 5e-6, "3e-06 ± 5e-06"), (0.0, 0.003, "0.0000 ± 0.003"), (230, 12, "230 ± 12")),
    ],
)
def test_a_figure_has_the_digits_of_its_error(value, error, shown):
    name = "load_ms" if value == 230 else "rmse"
    assert formats.uncertain(name, value, {name: error}) == shown


def test_a_difference_has_its_sign():
    assert formats.difference("rmse", 2e-6) == "+2e-06"
    assert formats.difference("rmse", -0.02) == "-0.0200"
    assert formats.difference("size_bytes", 12_345) == "+12,345"
