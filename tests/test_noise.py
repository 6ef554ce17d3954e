"""A difference that noise explains decides nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl import pareto
from automl.noise import told_apart, tolerance

NAMES = ("accuracy", "size_bytes", "latency_ms")
ROWS = 359
figures = st.tuples(st.integers(300, 359), st.integers(20, 60), st.integers(100, 120))
errors = st.tuples(st.sampled_from([0.0, 0.004, 0.01]), st.sampled_from([0.0, 0.5, 2.0]))
studies = st.lists(st.tuples(figures, errors), max_size=12)


def points(study):
    """The figures of a study's models, and their uncertainty."""
    values = [dict(zip(NAMES, (a / ROWS, b, c))) for (a, b, c), _ in study]
    return values, [{"accuracy": a, "latency_ms": c} for _, (a, c) in study]


def front(values, uncertainty, objectives=NAMES):
    """Positions of the models on a front, among all of a study."""
    unbeaten = pareto.front_positions(values, objectives)
    kept = told_apart([values[i] for i in unbeaten], [uncertainty[i] for i in unbeaten], objectives)
    return [unbeaten[position] for position in kept]


def beats(a, b, errors_a, errors_b, objectives=NAMES):
    """Tell whether a is better than b somewhere, by more than noise."""
    signs = {name: 1 if pareto.DIRECTIONS[name] == "max" else -1 for name in objectives}
    return any(
        signs[n] * (a[n] - b[n]) > tolerance(n, errors_a.get(n, 0.0), errors_b.get(n, 0.0))
        for n in objectives
    )


@given(studies)
def test_each_member_is_better_than_each_other_by_more_than_noise(study):
    values, uncertainty = points(study)
    kept = front(values, uncertainty)
    assert set(kept) <= set(pareto.front_positions(values, NAMES))
    assert bool(kept) == bool(values)
    for i in kept:
        for j in kept:
            assert i == j or beats(values[i], values[j], uncertainty[i], uncertainty[j])


@given(studies)
def test_what_goes_is_better_than_a_member_in_nothing(study):
    values, uncertainty = points(study)
    same = [{"accuracy": 0.004, "latency_ms": 0.5}] * len(uncertainty)
    for objectives in (NAMES[:2], NAMES[::2], NAMES[1:]):
        kept = front(values, same, objectives)
        for i in set(pareto.front_positions(values, objectives)) - set(kept):
            pairs = [beats(values[i], values[j], same[i], same[j], objectives) for j in kept]
            assert not all(pairs)


@given(studies)
def test_exact_figures_leave_the_plain_front(study):
    values, uncertainty = points(study)
    exact = [{"load_ms": 1.0}] * len(uncertainty)
    assert front(values, exact) == sorted(pareto.front_positions(values, NAMES))


def test_a_circle_of_three_leaves_one():
    """Each is better than the next by more than noise in one figure, and worse within it in two."""
    names = ("size_bytes", "latency_ms", "load_ms")
    values = [dict(zip(names, row)) for row in ([0, 0, 0], [11, -9, -9], [1, 2, -18])]
    certain = [dict.fromkeys(names, 10 / np.sqrt(8))] * 3
    assert len(told_apart(values, certain, names)) == 1


def test_a_model_that_is_faster_by_chance_is_on_no_front():
    values = [
        {"accuracy": 0.95, "size_bytes": 2995, "latency_ms": 0.00830},
        {"accuracy": 0.82, "size_bytes": 2995, "latency_ms": 0.00822},
    ]
    uncertainty = [{"latency_ms": 0.00005}] * 2
    assert told_apart(values, uncertainty, NAMES) == [0]
    assert told_apart(values, [{"latency_ms": 0.00001}] * 2, NAMES) == [0, 1]


def test_errors_on_the_same_rows_have_a_part_in_common():
    assert tolerance("latency_ms", 3.0, 4.0) == pytest.approx(2 * 5)
    assert tolerance("accuracy", 0.01, 0.01) == pytest.approx(0.01 * np.sqrt(0.8))
    assert tolerance("accuracy", 0.0, 0.01) == pytest.approx(0.01)
    assert tolerance("size_bytes", 0.0, 0.0) == 0


def searched(rng, num_models=40, num_structures=10):
    """Accuracies, bytes and true latencies as in a search: few structures, each of many models."""
    latencies = np.exp(rng.uniform(np.log(5e-3), np.log(0.1), num_structures))
    sizes = np.exp(rng.uniform(np.log(2e3), np.log(1e5), num_models)).round()
    errors = 0.015 + 0.3 * (1e3 / sizes) ** 0.8 * rng.lognormal(0, 0.4, num_models)
    accuracies = np.clip(1 - errors, 0, 1)
    hits = (accuracies * ROWS).round()
    return hits / ROWS, sizes, latencies[rng.integers(0, num_structures, num_models)]


def remeasured(rng, accuracies, sizes, latencies):
    """The files measured once more: accuracies and bytes are the same, times are not."""
    spread = 0.01 * latencies
    times = latencies + spread * rng.normal(size=len(latencies))
    values = [dict(zip(NAMES, row)) for row in zip(accuracies, sizes, times)]
    of_rows = np.sqrt(accuracies * (1 - accuracies) / ROWS)
    return values, [{"accuracy": a, "latency_ms": c} for a, c in zip(of_rows, spread)]


def test_measuring_the_files_again_leaves_the_front():
    changed = {"plain": [], "new": []}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        study = searched(rng)
        tries = [remeasured(rng, *study) for _ in range(2)]
        plain = [{*pareto.front_positions(values, NAMES)} for values, _ in tries]
        new = [{*front(*one)} for one in tries]
        for name, (first, second) in (("plain", plain), ("new", new)):
            changed[name].append(len(first ^ second) / len(first | second))
    assert np.mean(changed["new"]) <= 0.05 < np.mean(changed["plain"])
