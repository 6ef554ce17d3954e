"""What files hold and what a search proposes is what replay.json says."""

from pathlib import Path

import pytest
from differences import differences, text
from helpers.trials import CACHE
from proposals import SPACES, proposed
from recipes import CASES
from replay import of_recipe, recorded

RECORDED = recorded()


def moved(part, name, found):
    """What differs from what was recorded, a line each."""
    lines = differences({part: {name: RECORDED[part].get(name)}}, {part: {name: found}})
    return "".join(f"\n{line}" for line in lines)


@pytest.mark.parametrize("name", CASES)
def test_a_recipe_leaves_the_file_that_it_left(name):
    what = moved("recipes", name, of_recipe(name, Path(CACHE.name)))
    assert not what, what


@pytest.mark.parametrize("name", SPACES)
def test_a_search_proposes_what_it_proposed(name):
    found = proposed(name)
    what = "".join(moved(part, name, found[part]) for part in ("proposals", "fronts"))
    assert not what, what


def test_all_that_is_recorded_is_replayed():
    assert list(RECORDED["recipes"]) == list(CASES)
    assert list(RECORDED["proposals"]) == list(RECORDED["fronts"]) == list(SPACES)


def test_a_difference_is_named_by_its_path():
    before = {"a": {"b": [1, {"c": 2}], "d": "x", "e": None}, "f": True}
    now = {"a": {"b": [1, {"c": 3}], "d": "x", "g": [0]}, "f": 1}
    assert list(differences(before, now)) == [
        "a/b/1/c: 2 -> 3",
        "a/e: gone: null",
        "a/g: new: [0]",
        "f: true -> 1",
    ]
    assert list(differences(before, before)) == []


def test_an_item_more_or_less_does_not_move_the_others():
    before = {"operators": ["Sub", "Conv", "Relu", "Gemm"]}
    more = {"operators": ["Cast", "Sub", "Conv", "Relu", "Gemm"]}
    assert list(differences(before, more)) == ['operators/0: new: "Cast"']
    assert list(differences(more, before)) == ['operators/0: gone: "Cast"']


def test_the_text_is_json_with_a_line_for_each_thing():
    tree = {"a": {"b": {"c": [{"d": 1, "e": [2, 3]}, "f"], "g": {}}}}
    lines = text(tree).splitlines()
    assert '    {"d": 1, "e": [2, 3]},' in lines
    assert '   "g": {}' in lines
