import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.pareto import Axis, dominates, front_positions, hypervolume

NAMES = ("accuracy", "size_bytes", "latency_ms")
AXES = {"accuracy": Axis(0.0, 1.0), "size_bytes": Axis(1.0, 0.0), "latency_ms": Axis(1.0, 0.0)}
UNIT = Axis(0.0, 1.0)
grid = st.integers(0, 4).map(lambda i: i / 4)
points = st.lists(st.tuples(grid, grid, grid).map(lambda t: dict(zip(NAMES, t))), max_size=12)


@given(points)
def test_the_front_is_what_nothing_dominates_and_covers_the_rest(values):
    front = front_positions(values, NAMES)
    for i, j in itertools.permutations(front, 2):
        assert not dominates(values[i], values[j], NAMES)
    for point in values:
        assert any(values[i] == point or dominates(values[i], point, NAMES) for i in front)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@given(st.lists(st.tuples(grid, grid, grid, grid), max_size=12))
def test_the_hypervolume_is_the_share_of_cells_dominated(count, corners):
    axes = dict.fromkeys([*NAMES, "load_ms"][:count], UNIT)
    cells = itertools.product([1 / 8, 3 / 8, 5 / 8, 7 / 8], repeat=count)
    covered = sum(
        any(all(c <= k for c, k in zip(cell, corner)) for corner in corners) for cell in cells
    )
    values = [dict(zip(axes, corner)) for corner in corners]
    assert hypervolume(values, axes) == pytest.approx(covered / 4**count)


def test_a_logarithmic_axis_runs_from_worst_to_best_and_is_clipped():
    axis = Axis(1000.0, 1.0, log=True)
    assert [axis.at(v) for v in (1000, 10, 1)] == pytest.approx([0, 2 / 3, 1])
    assert (axis.at(5000), axis.at(0.0)) == (0.0, 1.0)
