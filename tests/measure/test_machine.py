"""The machine that measures: the kind that most are of, or that which has measured before."""

import pytest

from automl.errors import UserError
from automl.measure.machine import chosen_kind, kind_of, machine, processor_of

OLD, NEW, OTHER = "A, onnxruntime 1", "A, onnxruntime 2", "B, onnxruntime 2"


def test_machines_of_the_kind_that_most_are_of_measure():
    assert chosen_kind(["a", "a"]) == ("a", ())
    kind, [left_out] = chosen_kind(["b", "a", "a"])
    assert kind == "a"
    assert left_out.startswith("latency is measured on 2 of 3 machines, those with a; ")
    assert "others (b)" in left_out


def test_the_kind_that_has_measured_goes_on():
    assert chosen_kind([OTHER, OTHER, OLD], OLD)[0] == OLD
    with pytest.raises(UserError, match="was measured on A, onnxruntime 1, and here is B, onnx"):
        chosen_kind([OTHER], OLD)


def test_another_version_of_the_runtime_is_told():
    assert chosen_kind([NEW], OLD) == (
        NEW,
        (f"latency is measured on {NEW} now; up to now it was on {OLD}",),
    )


def test_a_kind_has_a_processor():
    assert processor_of(kind_of(machine())) == machine()["processor"] != ""
