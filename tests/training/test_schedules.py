"""Each schedule against a closed form, or torch's own, over 1,000 steps."""

import math

import pytest
import torch

from automl import config_checks
from automl.errors import UserError
from automl.training.schedules import (
    Clipped,
    Cosine,
    Exponential,
    Fixed,
    OneCycle,
    Random,
    Staircase,
    Warmup,
)

STEPS = range(1000)
CLOSED_FORMS = {
    Fixed(0.3): lambda step: 0.3,
    Exponential(0.1, 0.01): lambda step: 0.1 * 10 ** (-2 * step / 1000),
    Exponential(32, 4.0): lambda step: 32 * 2 ** (2 * step / 1000),
    Staircase(0.4, 0.5, 4): lambda step: 0.4 / 2 ** (step * 4 // 1000),
    Staircase(32, 2.0, 3): lambda step: 32 * 2 ** (step * 3 // 1000),
    Cosine(1.0, final=0.1): lambda step: 0.1 + 0.45 * (1 + math.cos(math.pi * step / 1000)),
    Warmup(Fixed(0.5), share=0.1): lambda step: (
        0.5 * (step / 1000 + 1e-3) / 0.101 if step < 100 else 0.5
    ),
    Warmup(Cosine(1.0), share=0.2): lambda step: (
        (step / 1000 + 1e-3) / 0.201
        if step < 200
        else (1 + math.cos(math.pi * (step - 200) / 800)) / 2
    ),
    Clipped(Exponential(1.0, 1e-4), 0.01, 0.5): lambda step: min(
        0.5, max(0.01, 10 ** (-4 * step / 1000))
    ),
}


@pytest.mark.parametrize("schedule", CLOSED_FORMS, ids=str)
def test_values_match_the_closed_form(schedule):
    expected = [CLOSED_FORMS[schedule](step) for step in STEPS]
    assert [schedule.at(step / 1000) for step in STEPS] == pytest.approx(expected)


def test_one_cycle_is_torchs():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.3, total_steps=1001, pct_start=301 / 1001, cycle_momentum=False
    )
    expected = []
    for _ in STEPS:
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    ours = [OneCycle(0.3, rise=0.3).at(step / 1000) for step in STEPS]
    assert ours == pytest.approx(expected, abs=1e-6)


def test_a_random_schedule_repeats_exactly():
    values = [Random(0.01, 1.0, intervals=4, seed=7).at(step / 1000) for step in STEPS]
    assert values == [Random(0.01, 1.0, intervals=4, seed=7).at(step / 1000) for step in STEPS]
    assert [len(set(values[i : i + 250])) for i in range(0, 1000, 250)] == [1] * 4
    assert len(set(values)) == 4
    assert all(0.01 <= value <= 1.0 for value in values)


def test_the_seed_decides_a_random_schedule():
    firsts = {Random(16, 128, seed=seed).at(0.0) for seed in range(100)}
    assert len(firsts) == 100
    middle = math.sqrt(16 * 128)
    assert 30 < sum(first < middle for first in firsts) < 70


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (Exponential(4, -1), "factor must be above 0"),
        (Exponential(4, math.nan), "factor must be above 0"),
        (Staircase(4, 0.0), "factor must be above 0"),
        (Staircase(4, stairs=0), "stairs must be at least 1"),
        (Random(0, 1), "low must be above 0"),
        (Random(2, 1), "high not below it"),
        (Random(1, 2, intervals=0), "intervals must be at least 1"),
        (OneCycle(0.1, rise=0), "rise must be above 0 and below 1"),
        (OneCycle(0.1, rise=1), "rise must be above 0 and below 1"),
        (Warmup(Fixed(0.1), share=1), "share must be at least 0 and below 1"),
        (Warmup(Fixed(0.1), share=-0.1), "share must be at least 0 and below 1"),
        (Clipped(Fixed(0.1), low=9, high=3), "low is above high; swap them"),
    ],
    ids=str,
)
def test_a_schedule_that_cannot_be_computed_is_told(schedule, sentence):
    with pytest.raises(UserError, match=f"^{type(schedule).__name__}.*{sentence}"):
        config_checks.check(schedule)


@pytest.mark.parametrize("schedule", [*CLOSED_FORMS, Random(1, 1), Warmup(Fixed(1), share=0)])
def test_a_schedule_that_can_be_computed_passes(schedule):
    config_checks.check(schedule)
