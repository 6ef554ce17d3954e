"""Rows of tables in every form, read as the loader reads the training file."""

from decimal import Decimal

import numpy as np
import pandas
import pyarrow as pa
import pytest
from helpers.datasets import mixed_table, write_csv
from pyarrow import parquet

from automl.data.table import Table
from automl.errors import UserError
from automl.predictor.rows import RowFormat, Unused
from automl.predictor.tables import read_table

FORM = RowFormat("table", (3,), (4,), {"width": (), "colour": ("blue", "red"), "age": ()})
NAMES = ("width", "colour", "age")


def read(rows, form=FORM):
    unused = Unused()
    inputs = [batch.inputs for batch in read_table(rows, form, unused)]
    return np.concatenate(inputs), unused.sentences()


def refused(rows, sentence, form=FORM):
    with pytest.raises(UserError, match=sentence):
        read(rows, form)


def test_every_form_of_a_table_gives_the_rows_of_the_loader(tmp_path):
    source = mixed_table(tmp_path / "table.csv")
    expected = source.load().inputs
    frame = pandas.read_csv(source.path)
    turned = frame[list(reversed(frame.columns))]
    turned.to_csv(tmp_path / "turned.csv", index=False)
    turned.to_csv(tmp_path / "turned.TSV", index=False, sep="\t")
    turned.to_parquet(tmp_path / "turned.parquet")
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    forms = [
        *(source.path, tmp_path / "turned.csv", tmp_path / "turned.TSV"),
        *(tmp_path / "turned.parquet", frame, turned, frame.convert_dtypes()),
        *(frame.astype({"colour": "category"}), pa.Table.from_pandas(turned), records),
        {name: frame[name].tolist() for name in NAMES},
    ]
    for rows in forms:
        inputs, strays = read(rows)
        np.testing.assert_array_equal(inputs, expected)
        assert strays == []


def test_a_number_is_the_float32_that_the_loader_makes(tmp_path):
    texts = ["0.1", "1e-3", "+4", " 7 ", ".5", "5.", "123456789.123", "-0", "9007199254740993", ""]
    texts += ["NA", "1e38", "3.4028235e38", "1E+3", "-nan"]
    path = write_csv(tmp_path / "a.csv", ("x", "y"), [(text, i) for i, text in enumerate(texts)])
    source = Table(path, "y", task="regression")
    form = RowFormat("table", (1,), (1,), {"x": ()})
    np.testing.assert_array_equal(read(path, form)[0], source.load().inputs)


def test_truths_and_exact_types_of_parquet_are_the_numbers_of_the_loader(tmp_path):
    columns = {
        "truth": [True, False, None, True],
        "exact": [Decimal("1.10"), Decimal("2.25"), None, Decimal("-3.00")],
        "half": pa.array(np.array([0.1, 0.2, 0.3, 0.4], np.float16)),
        "code": pa.array(["x", "", None, "x"]).dictionary_encode(),
        "y": [0.5, 1.5, 2.5, 3.5],
    }
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    raw = Table(str(tmp_path / "a.parquet"), "y").load()
    form = RowFormat("table", (4,), (4,), {c.name: c.categories for c in raw.columns})
    np.testing.assert_array_equal(read(tmp_path / "a.parquet", form)[0], raw.inputs)


def test_a_truth_in_csv_is_the_number_of_the_loader(tmp_path):
    rows = [("true", 1), ("false", 2), ("", 3), ("True", 4)]
    path = write_csv(tmp_path / "a.csv", ("x", "y"), rows)
    form = RowFormat("table", (1,), (1,), {"x": ()})
    expected = Table(path, "y", task="regression").load().inputs
    np.testing.assert_array_equal(read(path, form)[0], expected)


def test_categories_may_come_as_numbers_and_truths():
    form = RowFormat("table", (1,), (3,), {"code": ("1", "true", "2.5")})
    rows = [{"code": value} for value in (1, np.int64(1), 1.0, True, 2.5, Decimal("2.5"), "1")]
    assert read(rows, form)[0][:, 0].tolist() == [0, 0, 0, 1, 2, 2, 0]


def test_values_that_no_column_can_use_count_as_missing_and_are_told():
    rows = [{"width": "wide", "colour": "pink", "age": 1}, {"width": 1, "colour": "NA", "age": 2}]
    inputs, strays = read(rows)
    np.testing.assert_array_equal(inputs, np.array([[np.nan, np.nan, 1], [1, np.nan, 2]]))
    assert strays == [
        "column 'width' holds no number in 1 row, such as 'wide'; it counts as missing there",
        "column 'colour' holds no known category in 1 row, such as 'pink'; it counts as "
        "missing there",
    ]


def test_what_is_no_table_is_told(tmp_path):
    def file(header, *rows, name="a.csv"):
        return write_csv(tmp_path / name, header, rows)

    refused(file(("colour", "age"), ("red", 1)), "a.csv has no column width; it has colour, age")
    refused(file((*NAMES, "width"), (1, "red", 1, 2)), "a.csv has two columns 'width'; rename one")
    refused(
        file(NAMES, (1, "red"), name="b.csv"), "line 2 of .*b.csv has 2 fields where the header"
    )
    refused(file(NAMES), "a.csv holds no rows; add some")
    refused(file(NAMES, ("inf", "red", 1)), "row 0 of column 'width' holds a value that is not fin")
    refused(
        file(NAMES, (1, "red", 1e300)), "row 0 of column 'age' holds a value that is not finite"
    )
    refused(tmp_path / "nowhere.csv", "there is no .*nowhere.csv; check the path")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "empty holds no files; give the path of a .csv or .parquet file")
    (tmp_path / "a.xlsx").write_bytes(b"none")
    refused(tmp_path / "a.xlsx", "a.xlsx is no .csv, .tsv or .parquet file; save it as one")
    (tmp_path / "a.parquet").write_bytes(b"none")
    refused(tmp_path / "a.parquet", "a.parquet cannot be read")
    refused(np.zeros((2, 3)), "these are no rows of a table")
    refused(3, "these are no rows of a table")
    refused([{"width": 1}], "row 0 has no column colour, age; it has width")
    refused([{"width": {}, "colour": "red", "age": 1}], "'width' holds a value of the type dict")
    refused([{"width": 1, "colour": [], "age": 1}], "'colour' holds a value of the type list")
    refused({"width": [1, 2], "colour": ["red"], "age": [1]}, "columns have 1, 2 rows")
    for rows in ([(1, "red", 2, 3)], [(1, "red", 2, 3)] * 2):
        twice = pandas.DataFrame(rows, columns=[*NAMES, "age"])
        refused(twice, "the table has two columns 'age'; rename one")
    refused(pa.table([[1]] * 4, [*NAMES, "age"]), "the table has two columns 'age'; rename one")
    refused({name: [1] for name in (*NAMES, " age")}, "the table has two columns 'age'; rename")


def test_the_only_column_of_a_file_may_have_a_blank_in_its_name(tmp_path):
    form = RowFormat("table", (1,), (1,), {"petal length": ()})
    for rows in (["1.5", "2.5"], ["1.5 2"], []):
        path = tmp_path / "a.csv"
        path.write_text("\n".join(["petal length", "7", *rows]))
        inputs, strays = read(path, form)
        assert inputs[:, 0].tolist()[:1] == [7] and len(inputs) == 1 + len(rows)
        assert len(strays) == ("1.5 2" in rows)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_long_file_is_read_in_pieces(suffix, tmp_path):
    frame = pandas.DataFrame({"width": range(2000), "colour": "red", "age": 1.5})
    path = tmp_path / f"a.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    batches = read_table(path, FORM, Unused())
    first = next(batches)
    assert len(first.inputs) == 512
    assert [name for batch in batches for name in batch.names] == list(range(512, 2000))


COMMAS = RowFormat(
    *("table", (3,), (3,), {"p": (), "q": (), "r": ()}), commas={"p": "decimal", "q": "groups"}
)


def test_commas_mean_what_they_meant_in_training_where_new_rows_leave_it_open(tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("p;q;r\n1,234;12,345;7\n")
    assert read(path, COMMAS)[0].tolist() == [[pytest.approx(1.234), 12345, 7]]
    path.write_text("p;q;r\n1,5;12,345;7\n1.234;1;7\n")
    assert read(path, COMMAS)[0].tolist() == [[1.5, 12345, 7], [1234, 1, 7]]
    path.write_text("p;q;r\n1.5;1,234.5;0.25\n")
    assert read(path, COMMAS)[0].tolist() == [[1.5, 1234.5, 0.25]]


@pytest.mark.parametrize(
    "text", ["1,5;1;1.234", "1.234;1;7", "1,5;1;12.345\n2,5;1;900", "1,5;1;.\n2,5;1;1.234"]
)
def test_a_dot_that_may_group_thousands_is_refused(tmp_path, text):
    path = tmp_path / "new.csv"
    path.write_text(f"p;q;r\n{text}\n")
    refused(path, "new.csv: column '[pr]' holds numbers such as .*, whose dot may group", COMMAS)


@pytest.mark.parametrize(
    "numbers",
    [
        np.array([0, 1, 0.1, 1e15, 1e-7, 2.5e-5]),
        np.array([0, 1, 0.1, 1e15, 1e-7, 2.5e-5], np.float32),
        np.arange(6, dtype=np.int8),
        np.arange(6) > 2,
    ],
    ids=lambda numbers: str(numbers.dtype),
)
def test_categories_of_numbers_are_spelled_as_the_loader_spells_them(tmp_path, numbers):
    frame = pandas.DataFrame({"x": pandas.Categorical(numbers), "y": [0, 1] * 3})
    frame.to_parquet(tmp_path / "a.parquet")
    raw = Table(str(tmp_path / "a.parquet"), "y").load()
    form = RowFormat("table", (1,), (1,), {"x": raw.columns[0].categories})
    for rows in (tmp_path / "a.parquet", frame, pa.Table.from_pandas(frame)):
        inputs, strays = read(rows, form)
        np.testing.assert_array_equal(inputs, raw.inputs)
        assert strays == []
