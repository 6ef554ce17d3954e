"""Files as people have them: each is read as its owner means it, or told in one sentence."""

import bz2
import gzip
import io
import lzma
import math
import re
import warnings
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from helpers.datasets import write_images, write_jsonl, write_mnist, write_npz
from PIL import Image
from pyarrow import parquet

from automl.data import dataset
from automl.data.idx import MNIST
from automl.data.image_folder import ImageFolder
from automl.data.npz import Npz
from automl.data.series import Series
from automl.data.table import Table
from automl.data.text import Text
from automl.errors import UserError

CASES = Path(__file__).parent / "cases"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def case(name):
    return str(CASES / name)


def said(config, folder):
    """All that is told of a dataset, or the sentence that refuses it."""
    try:
        return dataset.summary(config, 0, folder / "cache").text()
    except UserError as error:
        return str(error)


def rows(config):
    """The rows of a table as a person reads them: by column, None where a value is missing."""
    raw = config.load()
    found = {}
    for number, column in enumerate(raw.columns):
        values = raw.inputs[:, number].tolist()
        found[column.name] = [
            None if math.isnan(v) else column.categories[int(v)] if column.categories else v
            for v in values
        ]
    names = raw.classes
    found["target"] = [names[t] if names else float(t[0]) for t in raw.targets]
    return found


def numbered(count=60, header="x,y", row=lambda i: f"{i / 2},{['no', 'yes'][i % 2]}"):
    return "\n".join([header, *map(row, range(count))]) + "\n"


# Handed cases that stand as files -------------------------------------------------------------

HANDED = {
    "semicolon": (lambda: Table(case("semicolon.csv"), "y"), r"(?s)a  numbers.*b  numbers"),
    "UTF-16": (lambda: Table(case("utf16.csv"), "y"), r"utf16.csv is UTF-16, .*save it as UTF-8"),
    "pandas' index": (
        lambda: Table(case("pandas_index.parquet"), "y"),
        r"(?s)each 1 column\n.*column '__index_level_0__' is left out: it is the index",
    ),
    "0.0 and 1.0": (lambda: Table(case("target_0.0_1.0.csv"), "y"), r"2 classes .* 0 \(30\), 1"),
    "19 integers": (lambda: Table(case("target_19_integers.csv"), "y"), r"19 classes \(class"),
    "blanks after commas": (
        lambda: Table(case("blanks_after_commas.csv"), "y"),
        r"(?s)target y: 2 classes .* hi \(30\), lo \(30\).*c  2 categories",
    ),
    "category of integers": (
        lambda: Table(case("category_of_integers.parquet"), "y"),
        r"store  7 categories .* 100, 102",
    ),
    "latin-1 in Parquet": (
        lambda: Table(case("latin1_strings.parquet"), "y"),
        r"column 'c' holds texts that are not UTF-8",
    ),
    "latin-1 target in Parquet": (
        lambda: Table(case("latin1_strings.parquet"), "c"),
        r"column 'c' holds texts that are not UTF-8",
    ),
    "booleans and 1": (
        lambda: Table(case("bool_train.csv"), "y", case("bool_test.csv")),
        r"false \(31\), true \(31\)",
    ),
    "latin-1 labels": (lambda: Text(case("latin1_labels.csv")), r"line 2 of .* is not UTF-8"),
    "mixed labels": (
        lambda: Text(case("mixed_labels.jsonl")),
        r"line 5 of .* has the label true, but some lines .*write the labels alike",
    ),
    "a .ts of numbers to predict": (
        lambda: Series(case("target_integers.ts")),
        r"target: a number to predict \(regression\), 0 to 4",
    ),
    "% comments": (lambda: Series(case("percent_comment.ts")), r"a \(30\), b \(30\)"),
    "offset": (
        lambda: Npz(case("offset.npz")),
        r"column 0 .* of 'inputs' holds numbers such as 99",
    ),
    "offset of series": (
        lambda: Series(case("series_offset.csv")),
        r"channel 1 holds numbers such as 1700000000.0 that float32 cannot tell",
    ),
    "other names": (
        lambda: Npz(case("other_names.npz")),
        r"other_names.npz holds X_train, y_train, X_test, y_test; name the arrays inputs and targ",
    ),
    "channels last": (
        lambda: Npz(case("channels_last.npz")),
        r"rows of the shape \(8, 8, 3\) look like images with their channels last",
    ),
    "an array before a zip": (
        lambda: Npz(case("npy_then_zip.npz")),
        r"npy_then_zip.npz does not hold plain arrays",
    ),
}


@pytest.mark.parametrize("name", HANDED)
def test_a_handed_file_is_right_or_told(tmp_path, name):
    make, wanted = HANDED[name]
    text = said(make(), tmp_path)
    assert re.search(wanted, text), text


def test_a_line_break_in_a_text_on_the_end_of_a_block_stays_one_text(tmp_path):
    for shift in range(16):
        lines, size = [f"s,{'x' * (1 + shift)},y\n"], len(f"s,{'x' * (1 + shift)},y\n")
        while size < 1.2 * 2**20:
            lines.append(f'"A\r\nB",{len(lines) - 1},{len(lines) % 2}\n')
            size += len(lines[-1])
        text = "".join(lines)
        if text[2**20 - 1] == "\r":
            break
    raw = Table(write(tmp_path / "a.csv", text), "y").load()
    assert raw.columns[0].categories == ("A\r\nB",)


def test_splits_of_unlike_labels_are_told(tmp_path):
    datasets = pytest.importorskip("datasets")

    def part(names):
        rows = {"text": [f"t {k}" for k in range(30)], "label": [k % 2 for k in range(30)]}
        features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
        return datasets.Dataset.from_dict(rows, features=datasets.Features(features))

    splits = {"train": part(["neg", "pos"]), "test": part(["pos", "neg"])}
    datasets.DatasetDict(splits).save_to_disk(str(tmp_path / "a"))
    from automl.data.hub import HuggingFace

    text = said(HuggingFace(path=str(tmp_path / "a")), tmp_path)
    assert "the splits train, test hold 'text' or 'label' of unlike types" in text


@pytest.mark.parametrize(
    ("train", "test"), [("Train", "Test"), ("Training", "Testing"), ("TRAIN", "tst")]
)
def test_spellings_of_train_and_test_are_splits(tmp_path, train, test):
    write_images(tmp_path / train, "ab", 6)
    write_images(tmp_path / test, "ab", 2)
    raw = ImageFolder(str(tmp_path)).load()
    assert (raw.classes, raw.num_test) == (("a", "b"), 4)


# Tables of our own ----------------------------------------------------------------------------

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


def test_an_id_among_the_features_is_told(tmp_path):
    text = numbered(60, "id,x,y", lambda i: f"{i + 1},{i / 7},{i % 2}")
    config = Table(write(tmp_path / "a.csv", text), "y")
    assert "note: column 'id' counts the rows from 1; drop=('id',) leaves it out" in said(
        config, tmp_path
    )


# Texts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "label;text\n1;one, two\n0;three\n"),
        ("A.TSV", "label\ttext\n1\tone, two\n0\tthree\n"),
        ("a.csv.gz", gzip.compress(b'text,label\n"one, two",1\nthree,0\n', mtime=0)),
        ("a.csv", 'text, label\n"one, two", 1\nthree,0 \n'),
        ("a.JSONL", '{"text": "one, two", "label": 1}\n{"text": "three", "label": 0.0}\n'),
        (
            "a.jsonl",
            '\ufeff{"text": "one, two", "label": "1"}\r\n{"text": "three", "label": 0}\r\n',
        ),
        ("a.jsonl.bz2", bz2.compress(b'{"text":"one, two","label":1}\n{"text":"three","label":0}')),
    ],
)
def test_one_set_of_texts_in_many_spellings_is_the_same(tmp_path, name, content):
    raw = Text(write(tmp_path / name, content), length=16).load()
    assert [bytes(row).rstrip(b"\0") for row in raw.inputs] == [b"one, two", b"three"]
    assert [raw.classes[code] for code in raw.targets] == ["1", "0"]


def test_labels_of_one_number_are_one_class(tmp_path):
    labels = [1, "1", 1.0, "1.0", 0, "0", 0.0, "0.0", 1e0, "00"]
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": "t", "label": label} for label in labels])
    raw = Text(path).load()
    assert (raw.classes, raw.targets.tolist()) == (("0", "1"), [1, 1, 1, 1, 0, 0, 0, 0, 1, 0])


def test_long_numbers_that_differ_are_two_classes(tmp_path):
    labels = ["12345678901234567890", "12345678901234567891"]
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": "t", "label": label} for label in labels])
    assert Text(path).load().classes == tuple(labels)


TEXTS_TOLD = {
    "NaN": ("a.jsonl", '{"text": "a", "label": NaN}\n', r"line 1 .* has no label in 'label'"),
    "nan": ("a.csv", "text,label\na,nan\n", r"line 2 .* has no label in 'label'; fill or remove"),
    "zero": ("a.jsonl", '{"text": "a\\u0000b", "label": 1}\n', r"line 1 .* the character zero"),
    "two columns": ("a.csv", "text,label,label\na,1,2\n", r"names two columns 'label'"),
    "surrogate": ("a.jsonl", '{"text": "a", "label": "\\ud83d"}\n', r"line 1 .* is not UTF-8"),
    "UTF-16": ("a.jsonl", '{"text": "a"}\n'.encode("utf-16"), r"is UTF-16, .*save it as UTF-8"),
    "one object": ("a.jsonl", '{\n"text": "a"\n}\n', r"line 1 of .* is not JSON"),
    "a list": ("a.jsonl", '[{"text": "a"}]\n', r"line 1 of .* is no JSON object; write one per li"),
    "a label of its own": (
        "a.jsonl",
        '{"text": "a", "label": ["b"]}\n',
        r"has no label in 'label'",
    ),
    "an id": (
        "a.csv",
        "text,label\n" + "".join(f"t,l{i}\n" for i in range(30)),
        r"there are 30 different labels in 30 rows, such as 'l0'",
    ),
    "cut": ("a.csv.xz", lzma.compress(b"text,label\n" * 99)[:50], r"a.csv.xz does not unpack"),
}


@pytest.mark.parametrize("name", TEXTS_TOLD)
def test_texts_that_cannot_be_meant_are_told(tmp_path, name):
    file, content, wanted = TEXTS_TOLD[name]
    text = said(Text(write(tmp_path / file, content)), tmp_path)
    assert re.search(wanted, text), text


# Series -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "a.ts",
            "% made\n@timeStamps false\n@classLabel true 'a b' \"c\"\n@data\n1,2:'a b'\n3,4:c\n",
        ),
        ("A.TS", "#made\n@TimeStamps false\n@classLabel true\n@DATA\n1,2 : a b\n3,4 : c\n"),
        ("a.csv", "a b;1;2\nc;3;4\n"),
        ("a.tsv", "'a b'\t1\t2\n'c'\t3\t4\n"),
        ("a.csv.gz", gzip.compress(b"a b,1,2\nc,3,4\n", mtime=0)),
        ("a.txt", "a b\t1.0\t2e0\r\nc\t3\t+4\r\n"),
    ],
)
def test_one_set_of_series_in_many_spellings_is_the_same(tmp_path, name, content):
    raw = Series(write(tmp_path / name, content)).load()
    assert raw.inputs.tolist() == [[[1, 2]], [[3, 4]]]
    assert (raw.classes, raw.targets.tolist()) == (("a b", "c"), [0, 1])


def test_numbers_to_predict_from_series_are_a_regression(tmp_path):
    text = "@targetLabel true\n@data\n" + "".join(f"{i},{i + 1}:{i / 4}\n" for i in range(20))
    raw = Series(write(tmp_path / "a.ts", text)).load()
    assert raw.classes == ()
    assert raw.targets[:, 0].tolist() == [i / 4 for i in range(20)]


def test_a_label_of_series_is_one_class_in_both_files(tmp_path):
    train = write(tmp_path / "a.txt", "1.0000000e+00 1 2\n2.0000000e+00 3 4\n")
    test = write(tmp_path / "b.txt", "2 5 6\n")
    raw = Series(train, test).load()
    assert (raw.classes, raw.targets.tolist()) == (("1.0000000e+00", "2"), [0, 1, 1])


SERIES_TOLD = {
    "no label": (
        "a.csv",
        "1,2,3\nNaN,2,3\n",
        r"line 2 .* has no label but 'NaN'; add it or remove",
    ),
    "latin-1": ("a.csv", b"caf\xe9,1,2\n", r"line 1 of .*a.csv is not UTF-8"),
    "underscore": ("a.csv", "a,1_0,2\n", r"line 1 .* has '1_0' as step 1 of channel 1"),
    "zip": ("a.ts", b"PK\x03\x04", r"a.ts is a zip archive or an Excel file"),
    "decimal commas": ("a.csv", "a;1,5;2\n", r"line 1 .* has '1,5' as step 1"),
}


@pytest.mark.parametrize("name", SERIES_TOLD)
def test_series_that_cannot_be_meant_are_told(tmp_path, name):
    file, content, wanted = SERIES_TOLD[name]
    text = said(Series(write(tmp_path / file, content)), tmp_path)
    assert re.search(wanted, text), text


# Arrays -----------------------------------------------------------------------------------------

TWENTY = np.arange(40, dtype=np.float32).reshape(20, 2)
TWO = np.arange(20) % 2


@pytest.mark.parametrize(
    ("targets", "classes"),
    [
        (TWO, ("0", "1")),
        (TWO[:, None], ("0", "1")),
        (TWO.astype(bool), ("0", "1")),
        (np.array(["no", "yes"])[TWO], ("no", "yes")),
        (np.array(["no ", "yes"])[TWO][:, None], ("no", "yes")),
    ],
)
def test_classes_of_arrays_in_many_spellings_are_the_same(tmp_path, targets, classes):
    path = write_npz(tmp_path / "a.npz", inputs=TWENTY, targets=targets)
    raw = Npz(path).load()
    assert (raw.classes, raw.targets.tolist()) == (classes, TWO.tolist())


def test_a_test_split_of_arrays_may_have_other_widths_of_numbers(tmp_path):
    more = {"test_inputs": TWENTY.astype(np.float64), "test_targets": TWO.astype(np.uint8)}
    raw = Npz(write_npz(tmp_path / "a.npz", inputs=TWENTY, targets=TWO, **more)).load()
    assert (raw.num_test, raw.inputs.dtype, raw.targets.dtype) == (20, np.float32, np.int64)


ARRAYS_TOLD = {
    "one-hot": ({"targets": np.eye(2)[TWO]}, r"'targets' holds a 1 in each row and zeros; make"),
    "grey images": (
        {"inputs": np.zeros((20, 28, 28))},
        r"rows of 28 x 28 numbers may be grey images or series of 28 channels; say which: "
        r"Npz\(shape=\(1, 28, 28\)\) or Npz\(shape=\(28, 28\)\)",
    ),
    "numbers beside pixels": (
        {
            "inputs": np.zeros((20, 8, 8), np.uint8),
            "test_inputs": np.zeros((4, 8, 8)),
            "test_targets": TWO[:4],
        },
        r"rows are float64 \(8, 8\) and uint8 \(8, 8\)",
    ),
    "names twice": ({"classes": ["a", "a"]}, r"it names the class 'a' twice; rename one"),
    "times": (
        {"inputs": (1_700_000_000 + np.arange(40)).reshape(20, 2)},
        r"column 0 \(counted from 0\) of 'inputs' holds numbers such as 1700000000 that float32",
    ),
    "missing numbers": ({"inputs": np.where(TWENTY == 3, np.nan, TWENTY)}, r"row 1 .* not finite"),
    "objects": ({"inputs": np.array([[{}]] * 20)}, r"does not hold plain arrays \(.*allow_pickle"),
    "complex": ({"inputs": TWENTY.astype(complex)}, r"'inputs' is complex128 of the shape"),
    "no target": ({"targets": np.full(20, np.nan)}, r"row 0 .* not finite among its targets"),
}


@pytest.mark.parametrize("name", ARRAYS_TOLD)
def test_arrays_that_cannot_be_meant_are_told(tmp_path, name):
    change, wanted = ARRAYS_TOLD[name]
    path = write_npz(tmp_path / "a.npz", **{"inputs": TWENTY, "targets": TWO, **change})
    text = said(Npz(path), tmp_path)
    assert re.search(wanted, text), text


def test_a_folder_of_arrays_with_other_names_is_told(tmp_path):
    np.save(tmp_path / "X.npy", TWENTY)
    assert f"{tmp_path} holds X; name the arrays inputs and targets" in said(
        Npz(str(tmp_path)), tmp_path
    )


# Images -----------------------------------------------------------------------------------------


def test_a_folder_of_validation_images_is_the_validation_split(tmp_path):
    for name, count in (("train", 9), ("Val", 3), ("testing", 2)):
        write_images(tmp_path / "images" / name, "ab", count)
    config = ImageFolder(str(tmp_path / "images"))
    raw = config.load()
    assert (raw.classes, raw.num_validation, raw.num_test) == (("a", "b"), 6, 4)
    data = dataset.load(config, 0, tmp_path / "cache")
    assert data.validation.rows.tolist() == list(range(18, 24))
    assert dataset.test_split(config, 0, tmp_path / "cache").rows.tolist() == list(range(24, 28))
    assert "6 to validate (the data's own), 4 to test (the data's own)" in said(config, tmp_path)


def test_without_a_test_folder_the_test_rows_are_drawn_from_the_training_images(tmp_path):
    for name, count in (("train", 10), ("val", 3)):
        write_images(tmp_path / "images" / name, "ab", count)
    config = ImageFolder(str(tmp_path / "images"))
    data = dataset.load(config, 0, tmp_path / "cache")
    test = dataset.test_split(config, 0, tmp_path / "cache")
    assert [len(split.rows) for split in (data.train, data.validation, test)] == [16, 6, 4]
    assert max(test.rows) < 20


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", ".DS_Store", "__MACOSX/a/._0.png"])
def test_files_that_systems_leave_are_no_images(tmp_path, name):
    path = write_images(tmp_path / "images", "ab")
    write(Path(path) / "a" / name, b"x")
    assert len(ImageFolder(path).load().inputs) == 12


def test_folders_of_classes_may_be_called_as_splits_are(tmp_path):
    path = write_images(tmp_path / "images", ("train", "car", "plane"))
    assert ImageFolder(path).load().classes == ("car", "plane", "train")


def test_a_cameras_notes_do_not_warn(tmp_path):
    path = write_images(tmp_path / "images", "ab")
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "JPEG")
    notes = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01"
    start = b"\xff\xd8\xff\xe1" + (len(notes) + 2).to_bytes(2, "big") + notes
    write(Path(path) / "a" / "9.jpg", start + picture.getvalue()[2:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(ImageFolder(path).load().inputs) == 13


def animated(folder):
    frames = [Image.new("P", (8, 8), number) for number in range(3)]
    frames[0].save(folder / "a" / "9.gif", save_all=True, append_images=frames[1:])


IMAGES_TAKEN = {
    "GIF": animated,
    "CMYK": lambda folder: Image.new("CMYK", (8, 8)).save(folder / "a" / "9.jpg"),
    "black and white": lambda folder: Image.new("1", (8, 8)).save(folder / "a" / "9.png"),
    "grey and alpha": lambda folder: Image.new("LA", (8, 8)).save(folder / "a" / "9.png"),
    "upper case": lambda folder: Image.new("RGB", (8, 8)).save(folder / "a" / "9.PNG"),
}


@pytest.mark.parametrize("name", IMAGES_TAKEN)
def test_images_of_any_kind_are_taken(tmp_path, name):
    path = write_images(tmp_path / "images", "ab")
    IMAGES_TAKEN[name](Path(path))
    assert ImageFolder(path).load().inputs.shape == (13, 3, 8, 8)


IMAGES_TOLD = {
    "one folder around": (lambda f: write_images(f / "photos"), r"holds only the folder photos; g"),
    "two of one kind": (
        lambda f: [write_images(f / name) for name in ("train", "val", "valid")],
        r"holds train, val, valid; leave only train, validation and test there, one of each",
    ),
    "no train": (
        lambda f: [write_images(f / name) for name in ("val", "test")],
        r"holds test, val; leave only train, validation and test there",
    ),
    "a test without classes": (
        lambda f: [write_images(f / "train"), write_images(f, ("test",))],
        r"test holds no folders; put the images of each class in one of its own",
    ),
    "a class only in validation": (
        lambda f: [write_images(f / "train"), write_images(f / "val", "abc")],
        r"class 'c' appears 0 times among the rows to learn from",
    ),
    "a class not in validation": (
        lambda f: [write_images(f / "train", "abc"), write_images(f / "val", "ab")],
        r"class 'c' has no row in the validation split; add some there",
    ),
    "no images": (lambda f: write(f / "a" / "b.csv", "x"), r"b.csv does not decode"),
}


@pytest.mark.parametrize("name", IMAGES_TOLD)
def test_images_that_cannot_be_meant_are_told(tmp_path, name):
    make, wanted = IMAGES_TOLD[name]
    (tmp_path / "images").mkdir()
    make(tmp_path / "images")
    text = said(ImageFolder(str(tmp_path / "images")), tmp_path)
    assert re.search(wanted, text), text


# IDX files --------------------------------------------------------------------------------------


def swapped(folder):
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    content = images.read_bytes()
    images.write_bytes(labels.read_bytes())
    labels.write_bytes(content)


def cut_idx(folder):
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-5])


IDX_TOLD = {
    "swapped": (swapped, r"train-images-idx3-ubyte is no IDX file of bytes in 3 dimensions"),
    "cut": (cut_idx, r"t10k-images-idx3-ubyte holds 15675 values where its header tells 15680"),
    "text": (
        lambda f: write(f / "t10k-labels-idx1-ubyte", "<html>"),
        r"t10k-labels-idx1-ubyte is no IDX file",
    ),
}


@pytest.mark.parametrize("name", IDX_TOLD)
def test_idx_files_that_cannot_be_meant_are_told(tmp_path, name):
    change, wanted = IDX_TOLD[name]
    config = MNIST(write_mnist(tmp_path / "mnist"))
    change(tmp_path / "mnist")
    text = said(config, tmp_path)
    assert re.search(wanted, text), text


# Hugging Face -----------------------------------------------------------------------------------


def hub(folder, splits, **options):
    datasets = pytest.importorskip("datasets")
    from automl.data.hub import HuggingFace

    found = {name: datasets.Dataset.from_dict(columns) for name, columns in splits.items()}
    datasets.DatasetDict(found).save_to_disk(str(folder / "hub"))
    return HuggingFace(path=str(folder / "hub"), **options)


TEXTS = {"text": [f"t {i}" for i in range(20)], "label": [i % 2 for i in range(20)]}


def test_the_validation_split_of_a_hub_is_the_validation_split(tmp_path):
    splits = dict.fromkeys(("train", "validation", "test", "unsupervised"), TEXTS)
    raw = hub(tmp_path, splits).load()
    assert (raw.num_validation, raw.num_test) == (20, 20)
    assert raw.notes == ("the splits unsupervised are left out",)
    assert "of the split 'validation' of" in raw.row_name(20)
    raw = hub(tmp_path / "b", splits, validation_split="", test_split="").load()
    assert (len(raw.targets), raw.num_validation, raw.num_test) == (20, 0, 0)


HUB_TOLD = {
    "nan": ({"train": {**TEXTS, "label": ["nan", *"ab" * 9, "a"]}}, r"row 0 .* has no label"),
    "times": (
        {"train": {"x": [[1e9 + i, i] for i in range(20)], "label": TEXTS["label"]}},
        r"position 0 \(counted from 0\) of column 'x' holds numbers such as 1000000000.0",
    ),
    "a target of times": (
        {"train": {"text": TEXTS["text"], "label": [1e9 + i / 8 for i in range(20)]}},
        r"'label' of row 0 .* holds numbers such as 1000000000.0 that float32",
    ),
    "no label in test": (
        {"train": TEXTS, "test": {"text": ["a"]}},
        r"column 'label' is not in all splits; add it there",
    ),
    "an unlabelled test split": (
        {"train": TEXTS, "test": {"text": ["a"], "label": [-1]}},
        r"class '-1' appears 0 times",
    ),
}


@pytest.mark.parametrize("name", HUB_TOLD)
def test_sets_of_a_hub_that_cannot_be_meant_are_told(tmp_path, name):
    splits, wanted = HUB_TOLD[name]
    text = said(hub(tmp_path, splits), tmp_path)
    assert re.search(wanted, text), text
