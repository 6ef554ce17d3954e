"""Labels of units: what joins them, what fixes them, and how views spread and gather them."""

import numpy as np
import pytest

from automl.compression.unit_labels import ANSWERS, READS_ROWS, UnitLabels, data, reshaped


def test_labels_that_meet_are_one_unit_and_keep_the_stronger_reason():
    units = UnitLabels()
    a, b = units.new(3), units.new(3)
    units.fix(b[:1], "a norm")
    units.join(a, b)
    assert units.roots(a).tolist() == units.roots(b).tolist()
    reasons = [units.reason(root) for root in units.roots(a).tolist()]
    assert reasons == ["a norm", None, None]
    units.join(a[:2], data(2))
    reasons = [units.reason(root) for root in units.roots(a).tolist()]
    assert reasons == ["a norm", READS_ROWS, None]
    units.fix(a, ANSWERS)
    assert {units.reason(root) for root in units.roots(b).tolist()} == {ANSWERS}


@pytest.mark.parametrize(("outer", "count", "kept"), [(True, 3, 0), (False, 4, 1)])
def test_units_spread_over_two_dimensions_go_by_rows_of_one(outer, count, kept):
    units = UnitLabels()
    labels = units.new(12)
    dims = reshaped(units, [data(5), labels], [5, 12], [5, 3, 4], outer)
    assert len(set(units.roots(labels).tolist())) == count
    assert [bool((d > 0).any()) for d in dims[1:]] == [kept == 0, kept == 1]
    assert reshaped(units, dims, [5, 3, 4], [5, 12], outer)[1].shape == (12,)


def test_a_view_that_only_gathers_and_spreads_joins_nothing():
    units = UnitLabels()
    labels = units.new(6)
    flat = reshaped(units, [data(2), labels, data(4)], [2, 6, 4], [2, 24], True)
    assert flat[1].tolist() == np.repeat(labels, 4).tolist()
    back = reshaped(units, flat, [2, 24], [2, 6, 2, 2], True)
    assert back[1].tolist() == labels.tolist()
    rows = reshaped(units, [data(2), data(4), labels], [2, 4, 6], [8, 6], True)
    assert rows[1].tolist() == labels.tolist()
    assert len(set(units.roots(labels).tolist())) == 6
