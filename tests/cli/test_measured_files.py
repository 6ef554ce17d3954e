"""Wishes of `automl measure` that do not go together, and what it prints of data."""

import pytest
from helpers.command import refused
from helpers.datasets import write_csv
from helpers.graphs import file_of, node, ones


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--data", "a.csv", "--search", "mine"), "--data and --search exclude one another"),
        (("--target", "y"), "--target names a column of --data"),
        (("--picture", "a.svg"), "name its search with --search"),
        (("--data", "a.csv", "--batch", 8), "leave --provider, --threads, --batch"),
    ],
)
def test_wishes_that_do_not_go_together_are_refused(options, sentence, here):
    refused(here("measure", "model.onnx", *options), sentence)


def test_the_quality_on_data_is_printed(here, tmp_path):
    rows = [(row % 7, row % 5, ("no", "yes")[row % 2]) for row in range(40)]
    write_csv(tmp_path / "a.csv", ("first", "second", "bought"), rows)
    file = file_of([node("MatMul", "x w", "y")], {"x": ("batch", 2)}, ["y"], w=ones(2, 2))
    (tmp_path / "model.onnx").write_bytes(file)
    printed = here("measure", "model.onnx", "--data", "a.csv", "--target", "bought").stdout
    assert "accuracy" in printed and "0.5000" in printed
    assert "measured on 40 rows: all rows of a.csv" in printed
