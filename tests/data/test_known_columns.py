import pytest
from helpers.datasets import write_csv

from automl.data.detected import Wanted
from automl.data.known_columns import table_with
from automl.data.table import Table
from automl.errors import UserError


def table(folder, names, *rows):
    return write_csv(folder / "a.csv", names, rows)


def test_the_one_column_that_a_model_does_not_take_is_the_target(tmp_path):
    path = table(tmp_path, ("a", "b", "price"), (1, "", 3), (1, "", 4))
    found = table_with(path, Wanted(task="regression"), ("a", "b"))
    assert found == Table(path, "price", task="regression", drop=("b",))


def test_of_several_columns_the_target_has_a_usual_name_or_is_given(tmp_path):
    path = table(tmp_path, ("nr", "a", "b", "label"), (1, 5, 8, 0), (2, 6, 9, 1))
    assert table_with(path, Wanted(), ("a",)).target == "label"
    assert table_with(path, Wanted("b"), ("a",)) == Table(path, "b", drop=("nr", "label"))
    path = table(tmp_path, ("nr", "a", "b", "price"), (1, 5, 8, 0), (2, 6, 9, 1))
    with pytest.raises(UserError, match="Give --target NAME; the columns are nr, b, price"):
        table_with(path, Wanted(), ("a",))


def test_a_table_without_a_target_or_a_value_is_told(tmp_path):
    path = table(tmp_path, ("a", "b"), (1, ""), (2, ""))
    with pytest.raises(UserError, match=r"a\.csv has no column beside those that the model takes"):
        table_with(path, Wanted(), ("a", "b"))
    with pytest.raises(UserError, match=r"holds nothing in .* takes: b, c; it has a, b"):
        table_with(path, Wanted(), ("b", "c"))
