"""A table's columns go into the file by name, and give the answers of numbers and codes."""

import numpy as np
import onnx
import pytest
from helpers.datasets import mixed_table, write_csv
from helpers.exported import network_of
from helpers.trials import load

from automl.data.table import Table
from automl.export import onnx as export
from automl.export.named_columns import with_named_columns
from automl.measure.file_times import Wanted, file_times
from automl.measure.measurement import measure
from automl.runtimes import onnx as runtime


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table, its raw rows, and the file of an untrained network."""
    source = mixed_table(tmp_path_factory.mktemp("table") / "table.csv")
    return source, source.load(), export.export(network_of(source), load(source))


def columns_of(raw):
    return {column.name: column.categories for column in raw.columns}


def test_strings_missing_values_and_unseen_categories_are_answered_as_their_codes(table):
    _, raw, file = table
    loaded = runtime.session(with_named_columns(file, columns_of(raw)))
    assert [(one.name, one.type) for one in loaded.get_inputs()] == [
        ("width", "tensor(float)"),
        ("colour", "tensor(string)"),
        ("age", "tensor(float)"),
    ]
    texts = np.array(["red", "blue", "green", "", "Red"], object)
    width, age = np.float32([1, np.nan, 2, 3, 4]), np.float32([np.nan, 2, 3, 4, 5])
    (answers,) = loaded.run(None, {"width": width, "colour": texts, "age": age})
    codes = np.float32([1, 0, np.nan, np.nan, np.nan])
    expected = runtime.run(runtime.session(file), np.stack([width, codes, age], axis=1))
    np.testing.assert_array_equal(answers, expected)


def test_raw_rows_are_fed_as_columns_and_the_file_is_measured_as_any(table, tmp_path):
    _, raw, file = table
    named = with_named_columns(file, columns_of(raw))
    onnx.checker.check_model(onnx.load_from_string(named), full_check=True)
    answers = runtime.run(runtime.session(named), raw.inputs)
    np.testing.assert_array_equal(answers, runtime.run(runtime.session(file), raw.inputs))
    own, other = (measure(one, raw.inputs, raw.targets) for one in (named, file))
    assert own.quality == other.quality
    assert own.size_bytes == len(named) > other.size_bytes
    (tmp_path / "named.onnx").write_bytes(named)
    assert file_times(Wanted((tmp_path / "named.onnx",))).files[0].size_bytes == len(named)


def test_columns_may_have_the_names_of_values_in_the_file(tmp_path):
    rows = [(row, row % 3, row % 5, row * 2, "yn"[row % 2]) for row in range(20)]
    names = ("logits", "0", "/code1", "input")
    source = Table(write_csv(tmp_path / "a.csv", (*names, "y"), rows), "y")
    raw, file = source.load(), export.export(network_of(source), load(source))
    loaded = runtime.session(with_named_columns(file, columns_of(raw)))
    assert [one.name for one in loaded.get_inputs()] == ["logits_", "0", "code1", "input"]
    expected = runtime.run(runtime.session(file), raw.inputs)
    np.testing.assert_array_equal(runtime.run(loaded, raw.inputs), expected)
