"""Faults that did not end a search: counted by their kind."""

from automl.faults import Fault, Faults


def test_faults_that_differ_in_numbers_alone_are_one_kind():
    faults = Faults()
    for number in range(3):
        faults.note("candidate", "could not be drawn", ValueError(f"no {number} units\nmore"))
    faults.note("refit", "could not be planned", KeyError("k"), "its case")
    faults.note("refit", "could not be planned", KeyError("k"), "its case")
    told = [str(fault) for fault in faults.kinds.values()]
    assert told == [
        "3 candidates could not be drawn: ValueError: no 0 units",
        "1 refit could not be planned: KeyError: 'k'",
    ]
    kept = faults.take_changed()
    assert faults.take_changed() is None
    assert list(map(str, Faults(Fault(**one) for one in kept).kinds.values())) == told
