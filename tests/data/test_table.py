import datetime
import math

import numpy as np
import pyarrow as pa
import pytest
from helpers.datasets import mixed_table, write_csv
from pyarrow import parquet

from automl.data.dataset import load
from automl.data.raw_dataset import Column
from automl.data.table import Table
from automl.errors import UserError


def table(folder, text, target="y", name="a.csv", **options):
    (folder / name).write_text(text)
    return Table(str(folder / name), target, **options)


def columns_of(folder, text, **options):
    raw = table(folder, text, **options).load()
    return {column.name: raw.inputs[:, i].tolist() for i, column in enumerate(raw.columns)}


def test_numbers_texts_and_missing_values(tmp_path):
    raw = mixed_table(tmp_path / "a.csv", 6).load()
    colours = Column("colour", ("blue", "red"))
    assert raw.columns == (Column("width"), colours, Column("age"))
    assert raw.inputs.dtype == np.float32
    assert raw.inputs[0].tolist() == [0, 0, 0]
    assert raw.inputs[5].tolist() == [2.5, 1, 5]
    assert math.isnan(raw.inputs[4, 2])
    assert (raw.classes, raw.targets.tolist()) == (("n", "y"), [0, 1] * 3)
    assert raw.input_shape == (4,)


@pytest.mark.parametrize("missing", ["", "NA", "nan", "null", "N/A"])
def test_missing_values_of_any_column_are_nan(tmp_path, missing):
    found = columns_of(tmp_path, f"x,c,y\n1,red,0\n{missing},{missing},1\n3,blue,0\n")
    assert found["x"] == pytest.approx([1, math.nan, 3], nan_ok=True)
    assert found["c"] == pytest.approx([1, math.nan, 0], nan_ok=True)


def test_booleans_are_numbers_and_tabs_separate_too(tmp_path):
    found = columns_of(tmp_path, "x\tb\ty\n1\ttrue\t0\n2\tfalse\t1\n", name="a.tsv")
    assert found == {"x": [1, 2], "b": [1, 0]}


def test_parquet_holds_the_same_and_dictionaries_are_categories(tmp_path):
    colours = pa.array(["red", None, "blue"]).dictionary_encode()
    arrays = {"x": [1, None, 3], "c": colours, "b": [True, False, None], "y": [0.5, 1.5, 2.5]}
    parquet.write_table(pa.table(arrays), tmp_path / "a.parquet")
    raw = Table(str(tmp_path / "a.parquet"), "y").load()
    assert raw.columns == (Column("x"), Column("c", ("blue", "red")), Column("b"))
    wanted = [[1, 1, 1], [math.nan, math.nan, 0], [3, 0, math.nan]]
    assert raw.inputs == pytest.approx(np.array(wanted), nan_ok=True)
    assert raw.targets.tolist() == [[0.5], [1.5], [2.5]]


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["no", "yes"], ("no", "yes")),
        (["true", "false"], ("false", "true")),
        ([10, 9, -1], ("-1", "9", "10")),
        (range(0, 63, 3), ()),
        ([0.5, 1.5], ()),
    ],
)
def test_the_target_is_a_class_or_a_number_by_its_values(tmp_path, values, classes):
    text = "".join(f"{i},{value}\n" for i, value in enumerate(values))
    raw = table(tmp_path, f"x,y\n{text}").load()
    assert raw.classes == classes
    if classes:
        assert [classes[code] for code in raw.targets] == [str(value) for value in values]
    else:
        assert raw.targets[:, 0].tolist() == list(values)


def test_the_task_decides_otherwise(tmp_path):
    assert table(tmp_path, "x,y\n1,3\n2,4\n", task="regression").load().classes == ()
    assert table(tmp_path, "x,y\n1,0.5\n2,3\n", task="classification").load().classes == (
        "0.5",
        "3",
    )


def test_empty_columns_without_a_name_are_left_out_wherever_they_stand(tmp_path):
    for commas in (1, 2, 5):
        rows = "".join(f"{i},,{'ab'[i % 2]}{',' * commas}\n" for i in range(4))
        raw = table(tmp_path, f"x,,y{',' * commas}\n{rows}").load()
        assert [column.name for column in raw.columns] == ["x"]
        numbers = ", ".join(map(str, (2, *range(4, 4 + commas))))
        assert raw.notes == (f"columns {numbers} are left out: they are empty",)
    columns = [pa.array([1, 2]), pa.array([None, None], pa.int32()), pa.array(["", None]), [0, 1]]
    parquet.write_table(pa.Table.from_arrays(columns, ["x", "", "", "y"]), tmp_path / "a.parquet")
    assert Table(str(tmp_path / "a.parquet"), "y").load().columns == (Column("x"),)


@pytest.mark.parametrize(
    ("above", "line"), [("Report,,\n,,\n", 1), (",,\n", 1), ("\n\nReport,,\n", 3)]
)
def test_a_title_above_the_names_is_told(tmp_path, above, line):
    sentence = rf"column 2 of .*a.csv has no name; give it one in line {line}, or remove what st"
    with pytest.raises(UserError, match=sentence):
        table(tmp_path, f"{above}x,c,y\n1,a,0\n2,b,1\n").load()


def test_dropped_columns_are_left_out(tmp_path):
    assert columns_of(tmp_path, "id,x,y\na,1,0\nb,2,1\n", drop=("id",)) == {"x": [1, 2]}


def test_the_rows_of_the_test_file_come_last_with_the_same_codes(tmp_path):
    test = table(tmp_path, "c,y,x\n12,b,\n7,a,5.5\n", name="test.csv").path
    raw = table(tmp_path, "x,c,y\n1,z,a\n2,12,b\n", test_path=test).load()
    assert raw.num_test == 2
    assert raw.columns == (Column("x"), Column("c", ("12", "z")))
    wanted = [[1, 1], [2, 0], [math.nan, 0], [5.5, math.nan]]
    assert raw.inputs == pytest.approx(np.array(wanted), nan_ok=True)
    assert raw.targets.tolist() == [0, 1, 1, 0]


def test_quoted_fields_may_hold_newlines_and_delimiters(tmp_path):
    raw = table(tmp_path, 'c,y\n"a\nb",0\n"c,d",1\n').load()
    assert raw.columns == (Column("c", ("a\nb", "c,d")),)


LONG = "".join(f"1,name {i},0\n" for i in range(101))
BAD = {
    r"a.csv has no column 'y'; choose of x, z": "x,z\n1,2\n",
    r"line 4 of .*a.csv has 3 fields where the header has 2": "x,y\n1,2\n\n3,4,5\n",
    r"line 5 of .*a.csv has 1 fields": 'x,y\n"1\n",2\n3,4\n5\n',
    r"line 2 of .*a.csv has 1 fields": "x,y\n1\n",
    r"a.csv is empty; give a file with a line of names": "",
    r"a.csv holds no rows": "x,y\n",
    r"a.csv holds two columns 'x'": "x,x,y\n1,2,3\n",
    r"line 3 of .*a.csv has no value in the target column 'y'": "x,y\n1,2\n3,\n5,6\n",
    r"line 5 of .*a.csv has no value in the target": 'x,y\n"a\nb",2\n\nc,NA\n',
    r"a.csv: column 'x' holds only missing values": "x,y\n,2\n,4\n",
    r"a.csv: column 'y' holds only missing values": "x,y\n1,\n2,\n",
    r"a.csv: column 'day' holds dates or times": "day,y\n2020-01-01,2\n2020-01-02,4\n",
    r"a.csv: column 'hour' holds dates or times": "hour,y\n10:20:30,2\n",
    r"a.csv: column 'name' holds 101 different texts such as 'name 0'": f"x,name,y\n{LONG}",
    r"a.csv: column 'name' holds 101 different texts such as 'oops'": (
        "name,y\noops,1\n"
        + "".join(f"oops {i},0\n" for i in range(6))
        + "".join(f"{i},0\n" for i in range(94))
    ),
    r"no column is left beside the target": "y\n1\n",
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_file_is_told_with_its_line_or_column(tmp_path, message):
    with pytest.raises(UserError, match=message):
        table(tmp_path, BAD[message]).load()


def test_bytes_that_are_no_text_are_told(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"c,y\n\xff\xfe,1\n")
    with pytest.raises(UserError, match=r"line 2 of .*a.csv is not UTF-8; save the file"):
        Table(str(tmp_path / "a.csv"), "y").load()


def test_a_header_that_is_no_text_is_told(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"caf\xe9,y\n1,2\n")
    with pytest.raises(UserError, match=r"line 1 of .*a.csv is not UTF-8; save the file"):
        Table(str(tmp_path / "a.csv"), "y").load()


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_folder_is_told(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=r"a.\w* is a folder; give the path of a file"):
        Table(str(tmp_path / name), "y").load()


CLOSE = {
    "seconds of a minute": [1_700_000_000 + second for second in range(60)],
    "nanoseconds": [1_700_000_000_000_000_000 + nanosecond for nanosecond in range(60)],
    "numbers": [1e9 + step / 8 for step in range(60)],
    "missing": ["", *(1_700_000_000 + second for second in range(59))],
}


@pytest.mark.parametrize("values", CLOSE.values(), ids=CLOSE)
def test_numbers_that_float32_cannot_tell_apart_are_told(tmp_path, values):
    path = write_csv(tmp_path / "a.csv", ("t", "y"), [(v, i % 2) for i, v in enumerate(values)])
    with pytest.raises(
        UserError, match=r"a.csv: column 't' holds numbers such as 1[\d.]* that float32"
    ):
        Table(path, "y").load()
    values = [value or 1_700_000_000 for value in values]
    path = write_csv(tmp_path / "b.csv", ("x", "t"), list(enumerate(values)))
    with pytest.raises(UserError, match=r"b.csv: column 't' holds numbers .*; subtract an offset"):
        Table(path, "t", task="regression").load()


FAR = {
    "a constant": [1_700_000_001] * 60,
    "minutes of two months": [1_700_000_000 + 60 * minute for minute in range(86_400)],
    "sums": [0.3, 0.1 + 0.2, 1, 2],
    "an outlier": [1e12, *(row / 7 for row in range(60))],
    "missing": [0.5, "", "", 0.25],
}


@pytest.mark.parametrize("values", FAR.values(), ids=FAR)
def test_numbers_whose_rounding_does_not_matter_are_taken(tmp_path, values):
    path = write_csv(tmp_path / "a.csv", ("t", "y"), [(v, i % 2) for i, v in enumerate(values)])
    assert Table(path, "y").load().columns == (Column("t"),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "ranking"}, r"task is 'classification', 'regression' or empty"),
        ({"task": "regression"}, r"Table\(target='y'\): the column holds texts such as 'a'"),
        ({"drop": ("z",)}, r"a.csv has no column 'z'; choose of x, y"),
    ],
)
def test_an_option_that_does_not_fit_is_told(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        table(tmp_path, "x,y\n1,a\n", **options).load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x\n1\n", r"column 'y' is not in both .*a.csv and .*b.csv"),
        ("x,y,z\n1,2,3\n", r"column 'z' is not in both"),
        ("x,y\none,2\n", r"column 'x' holds integers in .*a.csv but texts in .*b.csv"),
        ("x,y\n2020-01-01,2\n", r"column 'x' holds integers in .* but dates or times in .*b.csv"),
        ("x,y\n1,2\n3,\n", r"line 3 of .*b.csv has no value in the target column"),
    ],
)
def test_a_test_file_that_differs_is_told(tmp_path, text, message):
    test = table(tmp_path, text, name="b.csv").path
    with pytest.raises(UserError, match=message):
        table(tmp_path, "x,y\n1,2\n", test_path=test).load()


def test_a_parquet_row_is_counted_from_zero(tmp_path):
    arrays = {"x": [1, 2, 3], "y": [1.5, math.nan, 2.5]}
    parquet.write_table(pa.table(arrays), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"row 1 \(counted from 0\) of .*a.parquet has no value"):
        Table(str(tmp_path / "a.parquet"), "y").load()


def test_parquet_that_is_none_or_holds_dates_or_lists_is_told(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_text("x,y\n1,2\n")
    with pytest.raises(UserError, match=r"a.parquet cannot be read"):
        Table(str(path), "y").load()
    arrays = {"day": [datetime.date(2020, 1, 1)], "list": [[1]], "y": [1]}
    parquet.write_table(pa.table(arrays), path)
    with pytest.raises(UserError, match=r"column 'day' holds dates"):
        Table(str(path), "y").load()
    with pytest.raises(UserError, match=r"column 'list' holds values of the type list"):
        Table(str(path), "y", drop=("day",)).load()


def test_a_file_of_another_kind_is_told(tmp_path):
    with pytest.raises(UserError, match=r"a.xlsx is no .csv, .tsv or .parquet file"):
        table(tmp_path, "", name="a.xlsx").load()


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("x", {7: "inf"}, r"line 9 of .*a.csv of column 'x' holds a value that is not finite"),
        ("y", {7: "c"}, r"class 'c' appears 1 times .*\(line 9 of .*a.csv\)"),
    ],
)
def test_what_the_check_of_all_sets_finds_has_its_line(tmp_path, column, values, message):
    rows = [{"x": row, "y": "ab"[row % 2]} for row in range(20)]
    for row, value in values.items():
        rows[row][column] = value
    path = write_csv(tmp_path / "a.csv", ("x", "y"), [tuple(row.values()) for row in rows])
    with pytest.raises(UserError, match=message):
        load(Table(path, "y"), 0, tmp_path / "cache")


def test_a_class_only_in_the_test_file_is_told(tmp_path):
    rows = [(row, "ab"[row % 2]) for row in range(20)]
    path = write_csv(tmp_path / "a.csv", ("x", "y"), rows)
    test = write_csv(tmp_path / "b.csv", ("x", "y"), [(1, "c")])
    with pytest.raises(UserError, match=r"class 'c' appears 0 times among the rows to learn from"):
        load(Table(path, "y", test), 0, tmp_path / "cache")
