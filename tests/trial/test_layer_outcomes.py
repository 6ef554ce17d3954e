"""What users are told of a trial's layers: in sentences, in a table, as JSON."""

import pytest

from automl.recipe import LayerOutcome
from automl.trial import layer_outcomes

RECURRENT = "LSTM is not a linear layer"
KEPT = "keep names it"


def left(tensor, num_weights, reason=RECURRENT):
    return LayerOutcome(tensor, num_weights, reason=reason)


def changed(tensor, num_weights, change="8 bits"):
    return LayerOutcome(tensor, num_weights, change)


def test_what_left_most_of_its_weights_says_so_first():
    own = [left("lstm.a", 40), left("lstm.b", 50), left("stem", 2, KEPT), changed("head", 8)]
    first, *others = layer_outcomes.notes({"quantize": own}, ("not compiled",), None)
    assert first == (
        "quantize left 92 % of the weights as they were: "
        "lstm.b and 1 more, 90 % (LSTM is not a linear layer); stem, 2 % (keep names it)"
    )
    assert others == ["not compiled"]


def test_bytes_of_what_was_left_are_told_where_they_are_in_the_file():
    own = {"quantize": [left("lstm", 1500), changed("head", 500)]}
    (note,) = layer_outcomes.notes(own, (), 8000)
    assert note.startswith("quantize left 75 % of the weights as they were (6,000 of the file's 8,")
    (note,) = layer_outcomes.notes(own, (), 700)
    assert "bytes" not in note


@pytest.mark.parametrize(
    ("num_left", "place"), [(0, None), (9, None), (10, 1), (50, 1), (51, 0), (100, 0)]
)
def test_the_more_was_left_the_earlier_it_is_told(num_left, place):
    own = {"quantize": [left("lstm", num_left), changed("head", 100 - num_left)]}
    notes = layer_outcomes.notes(own, ("other",), None)
    assert len(notes) == (1 if place is None else 2)
    assert place is None or notes[place].startswith(f"quantize left {num_left} %")


def test_a_tensor_that_one_step_changed_is_not_untouched():
    outcomes = {
        "prune": [changed("lstm", 90, "9 of 10 units"), left("head", 10, KEPT)],
        "quantize": [left("lstm", 81), changed("head", 9)],
    }
    assert layer_outcomes.untouched_share(outcomes) == 0
    assert layer_outcomes.notes(outcomes, (), None) == (
        "quantize left 90 % of the weights as they were: lstm, 90 % (LSTM is not a linear layer)",
    )


def test_what_no_step_changed_names_them_all_and_the_last_reason():
    outcomes = {
        "prune": [left("lstm", 90, KEPT), changed("head", 10)],
        "quantize": [left("lstm", 90), changed("head", 9)],
    }
    assert layer_outcomes.notes(outcomes, (), None) == (
        "prune and quantize left 91 % of the weights as they were: "
        "lstm, 91 % (LSTM is not a linear layer)",
    )


def test_at_most_three_reasons_are_told():
    own = [left(f"layer{i}", 10 - i, f"reason {i}") for i in range(5)]
    (note,) = layer_outcomes.notes({"clip": own}, (), None)
    assert note.endswith("layer2, 20 % (reason 2); 2 more, 32 %, for other reasons")
    assert "reason 3" not in note


def test_a_trial_whose_steps_tell_nothing_has_its_notes_alone():
    assert layer_outcomes.notes({}, ("other",), 100) == ("other",)
    assert layer_outcomes.as_json({}) == {}
    assert layer_outcomes.table({}) == []


def test_the_table_has_a_row_for_each_tensor():
    outcomes = {
        "prune": [changed("a", 64, "8 of 16 units"), left("b", 36, KEPT)],
        "quantize": [changed("a", 64), changed("b", 36)],
    }
    rows = layer_outcomes.table(outcomes)
    assert [(row.tensor, row.num_weights, row.share) for row in rows] == [
        ("a", 64, "64 %"),
        ("b", 36, "36 %"),
    ]
    assert [row.became for row in rows] == [
        "prune: 8 of 16 units; quantize: 8 bits",
        "prune: stays (keep names it); quantize: 8 bits",
    ]
    (row,) = layer_outcomes.table({"quantize": [left("a", 1, "it\nraised")]})
    assert row.became == "stays (it raised)"
    (row,) = layer_outcomes.table({"quantize": [left("a", 1, "")]})
    assert row.became == "stays"


def test_weights_that_others_replace_are_not_counted_twice():
    outcomes = {
        "factorize": [changed("body.weight", 80, "2 factors"), left("head.weight", 30)],
        "quantize": [
            changed("body.0.weight", 40),
            changed("body.1.weight", 30),
            left("head.weight", 30),
        ],
    }
    assert layer_outcomes.untouched_share(outcomes) == 0.3
    rows = layer_outcomes.table(outcomes)
    assert [(row.tensor, row.share) for row in rows] == [
        ("body.weight", "–"),
        ("head.weight", "30 %"),
        ("body.0.weight", "40 %"),
        ("body.1.weight", "30 %"),
    ]


def test_a_long_table_keeps_the_largest_and_sums_up_the_rest():
    own = [changed(f"layer{i}", 1 + i) if i % 2 else left(f"layer{i}", 1 + i) for i in range(99)]
    rows = layer_outcomes.table({"quantize": own})
    assert len(rows) == 40
    assert [row.tensor for row in rows[:-1]] == [f"layer{i}" for i in range(60, 99)]
    assert (rows[-1].tensor, rows[-1].num_weights) == ("60 more", sum(range(61)))
    assert rows[-1].became == "30 changed, 30 stay"
    assert len(layer_outcomes.table({"quantize": own[:40]})) == 40


def test_json_says_of_each_tensor_what_each_step_made_of_it():
    outcomes = {"prune": [left("a", 4, KEPT)], "quantize": [changed("a", 4), left("b", 12)]}
    assert layer_outcomes.as_json(outcomes) == {
        "num_weights": 16,
        "untouched_share": 0.75,
        "tensors": [
            {
                "tensor": "a",
                "num_weights": 4,
                "steps": {"prune": {"reason": KEPT}, "quantize": {"change": "8 bits"}},
            },
            {"tensor": "b", "num_weights": 12, "steps": {"quantize": {"reason": RECURRENT}}},
        ],
    }
