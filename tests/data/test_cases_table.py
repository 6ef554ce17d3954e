"""Tables as people have them: read as their owner means them, or told in one sentence."""

import bz2
import gzip
import lzma
import re
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from helpers.cases import numbered, rows, said, write
from pyarrow import parquet

from automl.data.table import Table

THREE = {"x": [1, 2.5, 3], "c": ["red", "blue", "red"], "target": ["0", "1", "0"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "x|c|y\n1|red|0\n2.5|blue|1\n3|red|0\n"),
        ("a.csv", "x\tc\ty\n1\tred\t0\n2.5\tblue\t1\n3\tred\t0\n"),
        ("a.tsv", "x,c,y\n1,red,0\n2.5,blue,1\n3,red,0\n"),
        ("a.txt", "x c y\n1 red 0\n2.5 blue 1\n3 red 0\n"),
        ("a.data", "x;c;y\n1;red;0\n2.5;blue;1\n3;red;0\n"),
        ("A.CSV", "x,c,y\n1,red,0\n2.5,blue,1\n3,red,0\n"),
        ("a.csv", "x;c;y\n1;red;0\n2,5;blue;1\n3;red;0\n"),
        ("a.csv", 'x,c,y\n1,red,0\n"2,5",blue,1\n3,red,0\n'),
        ("a.csv", "x,c,y\r1,red,0\r2.5,blue,1\r3,red,0\r"),
        ("a.csv", "x,c,y\r\n1,red,0\r\n2.5,blue,1\r\n3,red,0"),
        ("a.csv", "\ufeffx,c,y\n1,red,0\n2.5,blue,1\n3,red,0\n"),
        ("a.csv", "\n\nx,c,y\n1,red,0\n\n2.5,blue,1\n3,red,0\n"),
        ("a.csv", 'x , c, "y"\n1 , red, "0"\n2.5 , blue , "1"\n3, red , "0"\n'),
        ("a.csv", '"x","c","y"\n"1","red","0"\n"2.5","blue","1"\n"3","red","0"\n'),
        ("a.csv", "sep=;\nx;c;y\n1;red;0\n2.5;blue;1\n3;red;0\n"),
        ("a.csv", "sep=,\r\nx,c,y\r\n1,red,0\r\n2.5,blue,1\r\n3,red,0\r\n"),
        ("a.csv", ",x,c,y\n5,1,red,0\n2,2.5,blue,1\n9,3,red,0\n"),
        ("a.csv", "Unnamed: 0,x,c,y\n0,1,red,0\n1,2.5,blue,1\n2,3,red,0\n"),
        ("a.csv", "x,c,y,\n1,red,0,\n2.5,blue,1,\n3,red,0,\n"),
        ("a.csv.gz", gzip.compress(b"x,c,y\n1,red,0\n2.5,blue,1\n3,red,0\n", mtime=0)),
        ("a.csv", gzip.compress(b"x,c,y\n1,red,0\n2.5,blue,1\n3,red,0\n", mtime=0)),
        ("a.CSV.BZ2", bz2.compress(b"x,c,y\n1,red,0\n2.5,blue,1\n3,red,0\n")),
        ("a.tsv.xz", lzma.compress(b"x\tc\ty\n1\tred\t0\n2.5\tblue\t1\n3\tred\t0\n")),
    ],
)
def test_one_table_in_many_spellings_is_the_same(tmp_path, name, content):
    assert rows(Table(write(tmp_path / name, content), "y")) == THREE


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1.234,5", "2,25", "3"], [1234.5, 2.25, 3]),
        (["1,234", "2,345", "0,5"], [1.234, 2.345, 0.5]),
        (["1,234", "2,345"], [1.234, 2.345]),
        (["-1,5", "+2,5", ",5"], [-1.5, 2.5, 0.5]),
        (["1 ", " 2", "+3"], [1, 2, 3]),
        (["1e3", "1E-2", ".5"], [1000, 0.01, 0.5]),
    ],
)
def test_numbers_between_semicolons_have_decimal_commas(tmp_path, values, numbers):
    text = "".join(f"{value};{i % 2}\n" for i, value in enumerate(values))
    found = rows(Table(write(tmp_path / "a.csv", f"x;y\n{text}"), "y"))["x"]
    assert found == pytest.approx(numbers)


def test_a_stray_dot_among_decimal_commas_is_a_missing_value(tmp_path):
    """Of `predict`, too, though alone it would be a number."""
    values = [f"{i},5" for i in range(39)]
    text = "".join(f"{value};{i % 2}\n" for i, value in enumerate([*values, "3.5"]))
    config = Table(write(tmp_path / "a.csv", f"x;y\n{text}"), "y")
    assert rows(config)["x"][-1] is None
    assert "1 of 40 rows hold '3.5' among numbers" in config.load().notes[-1]


def test_commas_that_group_thousands_are_told(tmp_path):
    config = Table(write(tmp_path / "a.csv", 'x,y\n"1,234,567",a\n"2,345.5",b\n7,a\n'), "y")
    assert rows(config)["x"] == [1234567, 2345.5, 7]
    assert config.load().notes == (
        "column 'x': a comma groups thousands, 1,234,567 is 1.23457e+06",
    )


@pytest.mark.parametrize(
    ("strays", "missing"),
    [(["?"], 1), (["-", "?"], 2), (["#DIV/0!"], 1), (["n/k"], 1), (["None", "unknown"], 2)],
)
def test_a_few_strays_among_numbers_are_missing_values(tmp_path, strays, missing):
    values = [*range(0, 100, 2), *strays]
    text = "".join(f"{value},{i % 2}\n" for i, value in enumerate(values))
    config = Table(write(tmp_path / "a.csv", f"x,y\n{text}"), "y")
    found = rows(config)["x"]
    assert found[:50] == list(range(0, 100, 2))
    assert found[50:] == [None] * missing
    assert f"column 'x': {missing} of {len(values)} rows hold" in config.load().notes[0]


@pytest.mark.parametrize(
    "values", [["0", "1", "2", "3+"], ["S", "36", "38", "M"], ["yes", "no"], ["None", "Some"]]
)
def test_texts_that_mean_something_stay_categories(tmp_path, values):
    text = "".join(f"{values[i % len(values)]},{i % 2}\n" for i in range(40))
    assert rows(Table(write(tmp_path / "a.csv", f"x,y\n{text}"), "y"))["x"][:2] == values[:2]


def test_parts_in_a_folder_are_one_table(tmp_path):
    write(tmp_path / "a" / "part-0.csv", "x,c,y\n1,red,0\n2.5,blue,1\n")
    write(tmp_path / "a" / "part-1.csv", "c,y,x\nred,0,3\n")
    config = Table(str(tmp_path / "a"), "y")
    assert rows(config) == THREE
    assert config.load().row_name(2) == f"line 2 of {tmp_path}/a/part-1.csv"
    for number, xs in enumerate(([1, None], [2.5])):
        part = pa.table({"x": xs, "y": ["a"] * len(xs)})
        (tmp_path / "b").mkdir(exist_ok=True)
        parquet.write_table(part, tmp_path / "b" / f"part-{number}.snappy.parquet")
    write(tmp_path / "b" / "_SUCCESS", "")
    assert rows(Table(str(tmp_path / "b"), "y"))["x"] == [1, None, 2.5]


@pytest.mark.parametrize(
    ("train", "test", "classes", "codes"),
    [
        ("True\nFalse\n", "1\n0\n", ("false", "true"), [1, 0, 1, 0]),
        ("1\n0\n", "True\nFalse\n", ("0", "1"), [1, 0, 1, 0]),
        ("1\n2\n", "1.0\n2.0\n", ("1", "2"), [0, 1, 0, 1]),
        ("1.0\n0.0\n", "1\n0\n", ("0", "1"), [1, 0, 1, 0]),
        ("lo\nhi\n", "lo \n hi\n", ("hi", "lo"), [1, 0, 1, 0]),
    ],
)
def test_a_label_is_one_class_however_the_test_file_spells_it(
    tmp_path, train, test, classes, codes
):
    def file(name, labels):
        text = "".join(f"{i},{label}\n" for i, label in enumerate(labels.splitlines()))
        return write(tmp_path / name, f"x,y\n{text}")

    raw = Table(file("a.csv", train), "y", file("b.csv", test)).load()
    assert (raw.classes, raw.targets.tolist()) == (classes, codes)


PARQUET = {
    "integers that may be missing": (pa.array([1, None, 3]), [1, None, 3]),
    "decimals": (pa.array([Decimal("1.50"), None, Decimal("2.25")]), [1.5, None, 2.25]),
    "half numbers": (pa.array(np.array([1.5, 2, 3], np.float16)), [1.5, 2, 3]),
    "categories": (pa.array(["a ", None, "b"]).dictionary_encode(), ["a", None, "b"]),
    "texts with blanks": (pa.array(["a ", " a", ""]), ["a", "a", None]),
    "long texts": (pa.array(["a", None, "b"], pa.large_string()), ["a", None, "b"]),
    "views of texts": (pa.array(["a", None, "b"], pa.string_view()), ["a", None, "b"]),
    "texts of digits": (pa.array(["1", "2", "1"]), ["1", "2", "1"]),
    "booleans": (pa.array([True, None, False]), [1, None, 0]),
}


@pytest.mark.parametrize("name", PARQUET)
def test_types_that_parquet_declares_are_kept(tmp_path, name):
    column, wanted = PARQUET[name]
    table = pa.table({"x": column, "y": ["a", "b", "a"]})
    parquet.write_table(table, tmp_path / "a.PARQUET")
    assert rows(Table(str(tmp_path / "a.PARQUET"), "y"))["x"] == wanted


def test_the_named_index_of_pandas_is_left_out_but_for_the_target(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"key": [7, 9, 8], "x": [1, 2, 3], "y": ["a", "b", "a"]})
    frame.set_index("key").to_parquet(tmp_path / "a.parquet")
    raw = Table(str(tmp_path / "a.parquet"), "y").load()
    assert [column.name for column in raw.columns] == ["x"]
    assert raw.notes == (
        "column 'key' is left out: it is the index that pandas wrote beside the columns",
    )
    frame.set_index("y").to_parquet(tmp_path / "b.parquet")
    assert Table(str(tmp_path / "b.parquet"), "y").load().classes == ("a", "b")


@pytest.mark.parametrize("values", [[True, False, True], [10, 20, 10], [0.5, 1.5, 0.5]])
def test_a_category_of_pandas_is_categories_whatever_it_holds(tmp_path, values):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": pandas.Categorical(values), "y": ["a", "b", "a"]})
    frame.to_parquet(tmp_path / "a.parquet")
    assert len(Table(str(tmp_path / "a.parquet"), "y").load().columns[0].categories) == 2


def csv(content, target="y", name="a.csv", **options):
    return lambda folder: Table(write(folder / name, content), target, **options)


def with_test(train, test, **options):
    return lambda folder: Table(
        write(folder / "a.csv", train), "y", write(folder / "b.csv", test), **options
    )


def packed_badly(folder):
    return Table(write(folder / "a.csv.gz", gzip.compress(numbered(999).encode())[:999]), "y")


def excel(folder):
    return Table(write(folder / "a.csv", b"PK\x03\x04\x14\0"), "y")


def parquet_as_csv(folder):
    parquet.write_table(pa.table({"x": [1]}), folder / "a.csv")
    return Table(str(folder / "a.csv"), "x")


def hive(folder):
    write(folder / "a" / "year=2020" / "a.csv", "x,y\n1,2\n")
    return Table(str(folder / "a"), "y")


def mixed_folder(folder):
    write(folder / "a" / "a.csv", "x,y\n1,2\n")
    write(folder / "a" / "a.json", "{}")
    return Table(str(folder / "a"), "y")


def unlike_parts(folder):
    write(folder / "a" / "1.csv", "x,y\n1,2\n")
    write(folder / "a" / "2.csv", "z,y\n1,2\n")
    return Table(str(folder / "a"), "y")


def odd_type(column):
    def make(folder):
        parquet.write_table(pa.table({"x": column, "y": ["a"] * len(column)}), folder / "a.parquet")
        return Table(str(folder / "a.parquet"), "y")

    return make


def cut_parquet(folder):
    parquet.write_table(pa.table({"x": [1, 2], "y": [1, 2]}), folder / "a.parquet")
    path = folder / "a.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    return Table(str(path), "y")


ADULT = numbered(60, "x,y", lambda i: f"{i / 2},{('<=50K', '>50K')[i % 2]}")
TABLES_TOLD = {
    "amounts": (
        csv('x,y\n"1,234",a\n"5,678",b\n'),
        r"a.csv: column 'x' holds numbers such as '1,234', in which the comma may be",
    ),
    "dots beside decimal commas": (
        csv("x;z;y\n1,5;1.234;a\n2,5;5.678;b\n"),
        r"a.csv: column 'z' holds numbers such as 1.234, whose dot may group thousands",
    ),
    "dots beside decimal commas and a missing value": (
        csv("x;z;y\n1,5;.;a\n2,5;1.234;b\n3,5;5.678;b\n"),
        r"a.csv: column 'z' holds numbers such as 1.234, whose dot may group thousands",
    ),
    "gz cut": (packed_badly, r"a.csv.gz does not unpack \(.*pack or download it again"),
    "Excel": (excel, r"a.csv is a zip archive or an Excel file; unpack it, or save the sheet"),
    "old Excel": (csv(b"\xd0\xcf\x11\xe0rest"), r"a.csv is an Excel file; save the sheet"),
    "zstd": (csv(b"\x28\xb5\x2f\xfdrest"), r"a.csv is packed by zstd; unpack it"),
    "Parquet": (parquet_as_csv, r"a.csv is a Parquet file; give it the ending .parquet"),
    "UTF-16 without a mark": (
        csv("x,y\n1,2\n".encode("utf-16-le")),
        r"a.csv holds zero bytes: it is no text, or UTF-16; save it as UTF-8",
    ),
    "UTF-16, other order": (csv("x,y\n".encode("utf-16-be"), name="a.tsv"), r"holds zero bytes"),
    "latin-1": (
        csv("x,y\n1,2\ncaf\xe9,3\n".encode("latin-1")),
        r"line 3 of .*a.csv is not UTF-8; save the file in that encoding",
    ),
    "folders of values": (hive, r"lies in a folder whose name is a value; write the table as one"),
    "mixed folder": (mixed_folder, r"only .parquet files \(the endings there: .csv, .json\)"),
    "unlike parts": (unlike_parts, r"column 'x' is not in both .*1.csv and .*2.csv; make"),
    "unnamed column": (csv("x,,y\n1,2,3\n"), r"column 2 of .*a.csv has no name; give it one in li"),
    "names alike": (csv("x,x ,y\n1,2,3\n"), r"a.csv holds two columns 'x'; rename one"),
    "no header": (
        csv("5.1,3.5,0\n4.9,3.0,1\n"),
        r"Table\(target='y'\): .*has no column 'y'; choose of 5.1, 3.5, 0; these are numbers: give",
    ),
    "no header, and a class": (
        csv("5.1,3.5,setosa\n4.9,3.0,virginica\n"),
        r"has no column 'y'; choose of 5.1, 3.5, setosa; some of these are numbers: give",
    ),
    "one field": (
        csv("x:y\n1:2\n", name="a.txt"),
        r"has no column 'y'; choose of x:y; separate the fields by commas, semicolons",
    ),
    "no rows": (csv("x,y\n"), r"a.csv holds no rows; add some"),
    "one column": (csv("y\n1\n2\n"), r"no column is left beside the target"),
    "stray in the target": (
        csv(numbered(60, "x,y", lambda i: f"{i / 2},{'?' if i == 7 else i * 3}")),
        r"line 9 of .*a.csv has no value in the target column 'y' \(column 'y': 1 of 60 rows hold",
    ),
    "an id as target": (
        csv(numbered(60, "x,y", lambda i: f"{i / 2},{i + 1}")),
        r"Table\(target='y'\): the column counts the rows from 1; choose another target",
    ),
    "names as target": (
        csv(numbered(60, "x,y", lambda i: f"{i / 2},person {i}")),
        r"there are 60 different labels in 60 rows, such as 'person 0'; classes repeat",
    ),
    "dates as target": (
        csv(numbered(28, "x,y", lambda i: f"{i / 2},2020-01-{i + 1:02}")),
        r"column 'y' holds dates or times; drop it or make numbers or texts of it",
    ),
    "days and months": (csv("x,y\n13/02/2020,1\n14/02/2020,2\n"), r"column 'x' holds dates or ti"),
    "whole numbers as target": (
        csv(numbered(60, "x,y", lambda i: f"{i / 2},{i % 3}.0")),
        r"Table\(target='y'\): the column holds 3 whole numbers such as 0.0; say what they are: "
        r"task='classification' or task='regression'",
    ),
    "a last dot in the test file": (
        with_test(ADULT, "x,y\n1,<=50K.\n2,>50K.\n"),
        r"class '<=50K.' appears 0 times .*; is it '<=50K', spelled otherwise\?",
    ),
    "capitals in the test file": (
        with_test(numbered(), "x,y\n1,No\n"),
        r"class 'No' appears 0 times .*; is it 'no', spelled otherwise\?",
    ),
    "no target in the test file": (
        with_test(numbered(), "x\n1\n"),
        r"column 'y' is not in both .*a.csv and .*b.csv; add or drop it",
    ),
    "zero bytes far on": (
        csv("c,y\n" + "abc,1\n" * 12_000 + "a\0b,0\n" + "abc,0\n" * 9),
        r"1 to train|rows to train",
    ),
    "a quote that is not closed": (
        csv(numbered(30, "x,c,y", lambda i: f"{i},{chr(34) * (i == 28)}a,{i % 2}")),
        r"line 30 of .*a.csv .*",
    ),
    "a quote that ends the file": (
        csv(numbered(30, "x,y,c", lambda i: f"{i},{i % 2},{chr(34) * (i == 5)}a")),
        r"line 7 of .*a.csv holds a quote that is not closed, or single inside a quoted field",
    ),
    "single quotes inside": (
        csv(numbered(30, "x,c,y", lambda i: f'{i},"a "b" {i % 3}",{i % 2}')),
        r"line 2 of .*a.csv holds a quote that is not closed, or single inside a quoted field",
    ),
    "dates with slashes": (csv("x,y\n2020/1/31,1\n2020/2/1,2\n"), r"column 'x' holds dates or"),
    "shuffled ids as target": (
        csv(numbered(60, "x,y", lambda i: f"{i / 2},{i * 7 % 60 + 1}")),
        r"Table\(target='y'\): the column counts the rows from 1; choose another target",
    ),
    "infinity": (csv(numbered(60).replace("\n3.5,", "\ninf,")), r"line 9 .* not finite"),
    "lists": (odd_type(pa.array([[1], [2]])), r"column 'x' holds values of the type list"),
    "structs": (odd_type(pa.array([{"a": 1}])), r"column 'x' holds values of the type struct"),
    "bytes": (odd_type(pa.array([b"\xff"])), r"column 'x' holds bytes that are no UTF-8 text"),
    "durations": (odd_type(pa.array([1], pa.duration("s"))), r"column 'x' holds dates or times"),
    "cut Parquet": (cut_parquet, r"a.parquet cannot be read: .*; correct it or save it again"),
    "empty": (csv(""), r"a.csv is empty; give a file with a line of names and then rows"),
}


@pytest.mark.parametrize("name", TABLES_TOLD)
def test_a_table_that_cannot_be_meant_is_told(tmp_path, name):
    make, wanted = TABLES_TOLD[name]
    text = said(make(tmp_path), tmp_path)
    assert re.search(wanted, text), text


def test_strays_of_the_training_file_are_missing_in_the_test_file_too(tmp_path):
    text = numbered(60, "x,y", lambda i: f"{'n/k' if i == 7 else i / 7},{i % 2}")
    test = write(tmp_path / "b.csv", "x,y\nn/k,0\n2,1\n")
    assert rows(Table(write(tmp_path / "a.csv", text), "y", test))["x"][60:] == [None, 2]


@pytest.mark.parametrize("codes", [["0x1F", "0x2A", "0x1F"], ["A1", "B2", "A1"]])
def test_codes_are_categories(tmp_path, codes):
    text = "x,y\n" + "".join(f"{code},{i}\n" for i, code in enumerate(codes))
    assert rows(Table(write(tmp_path / "a.csv", text), "y"))["x"] == codes


def test_numbers_with_units_are_told(tmp_path):
    text = numbered(60, "x,y", lambda i: f"{i / 4} %,{i % 2}")
    assert (
        "note: column 'x' holds 60 categories such as '0.0 %'; if they are numbers, write them "
        "without signs and units"
    ) in said(Table(write(tmp_path / "a.csv", text), "y"), tmp_path)


def test_an_index_level_is_left_out_without_pandas_notes_too(tmp_path):
    table = pa.table({"x": [1, 2], "y": ["a", "b"], "__index_level_0__": [5, 7]})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert rows(Table(str(tmp_path / "a.parquet"), "y")).keys() == {"x", "target"}


def test_an_id_among_the_features_is_told(tmp_path):
    text = numbered(60, "id,x,y", lambda i: f"{i + 1},{i / 7},{i % 2}")
    config = Table(write(tmp_path / "a.csv", text), "y")
    assert "note: column 'id' counts the rows from 1; drop=('id',) leaves it out" in said(
        config, tmp_path
    )
