"""The values that the options of a new search fix."""

import pytest

from automl.engine import fixed_values
from automl.engine.search_options import read
from automl.engine.space_source import source
from automl.engine.wishes import OwnData
from automl.errors import UserError
from automl.home import Home
from automl.models.mlp import MLP


def fixed(sets, tmp_path):
    _, new = read("search", {"sets": sets})
    return fixed_values.fixed(source("digits", OwnData(), Home(tmp_path)), new)


def test_numbers_are_fixed_as_the_texts_of_the_command_line_are(tmp_path):
    given = {"recipe.train.epochs": 3, "seed": "4", "model": "MLP"}
    assert fixed(given, tmp_path) == {"recipe.train.epochs": "3", "seed": "4", "model": "MLP"}
    texts = fixed_values.texts({"a": 0.1, "b": None, "c": (1, 2), "d": True})
    assert texts == {"a": "0.1", "b": "null", "c": "[1, 2]", "d": "true"}


def test_what_cannot_be_fixed_is_told_by_its_path(tmp_path):
    with pytest.raises(UserError, match=r"--set model: <class .* cannot be written as JSON"):
        fixed({"model": MLP}, tmp_path)
