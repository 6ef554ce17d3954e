"""Data told apart: tables, texts, series, arrays and pictures, with their targets and tasks."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import ExifTags, Image
from pyarrow import parquet

from automl.data.detect import detect, is_data
from automl.data.detected import Wanted
from automl.data.image_folder import ImageFolder
from automl.data.npz import Npz
from automl.data.raw_dataset import Column
from automl.data.series import Series
from automl.data.table import Table
from automl.data.text import Text
from automl.errors import UserError

ROWS = 60
WORDS = ("a fine day at sea", "no rain in town today", "two dogs and a cat ran")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, **columns):
    """A CSV whose columns are functions of the row."""
    rows = [",".join(columns)]
    rows += [",".join(str(value(row)) for value in columns.values()) for row in range(ROWS)]
    with open(name, "w") as file:
        file.write("\n".join(rows) + "\n")


def pictures(folder, size=lambda i: (20, 30), mode="RGB"):
    for label in ("cats", "dogs"):
        (folder / label).mkdir(parents=True)
        for i in range(4):
            Image.new(mode, size(i)).save(folder / label / f"{i}.png")


def words(row):
    return f"{WORDS[row % 3]} number {row}"


def test_a_table_with_all_that_is_left_out(folder):
    write(
        "my.csv",
        user_id=lambda row: 1000 + 7 * row,
        age=lambda row: row % 9,
        plan=lambda row: "ab"[row % 2],
        since=lambda row: f"2024-01-{1 + row % 28:02d}",
        same=lambda row: 3,
        comment=lambda row: words(row),
        left=lambda row: ("yes", "no", "maybe")[row % 3],
    )
    found = detect("my.csv", Wanted("left"))
    dropped = ("user_id", "since", "same", "comment")
    assert found.dataset == Table("my.csv", "left", task="classification", drop=dropped)
    told = "\n".join(found.told)
    assert "'left' is predicted (as you say), a classification" in told
    for reason in ("an id: 60", "dates or times", "the same value", "free text: 60"):
        assert reason in told
    found.dataset.load()


def test_a_mark_or_nothing_is_a_category_and_no_target_by_itself(folder):
    write(
        "my.csv",
        age=lambda row: row % 9,
        mark=lambda row: "x" if row % 3 else "",
        once=lambda row: "see below" if row == 7 else "",
        left=lambda row: "yn"[row % 2],
    )
    found = detect("my.csv", Wanted())
    assert found.dataset == Table("my.csv", "left", task="classification", drop=("once",))
    assert "left out: 'once', it has a value in one row alone" in found.told
    assert found.dataset.load().columns[1] == Column("mark", ("x",))


@pytest.mark.parametrize(
    ("value", "other"),
    [("1", "0"), ("0", "1"), ("2.5", "0"), ("true", "false"), ("False", "true")],
)
def test_a_number_or_nothing_is_told_with_what_to_write(folder, value, other):
    write(
        "my.csv",
        age=lambda row: row % 9,
        flag=lambda row: value if row % 3 else "",
        left=lambda row: "yn"[row % 2],
    )
    told = f"holds {value.lower()} or nothing; write {other} where nothing stands"
    assert f"left out: 'flag', it {told}" in detect("my.csv", Wanted()).told
    assert Table("my.csv", "left").load().notes == (f"column 'flag' {told}",)


@pytest.mark.parametrize("name", ["y", "Target", "label", "CLASS"])
def test_a_target_is_told_by_its_name(folder, name):
    write("my.csv", x=lambda row: row % 7, **{name: lambda row: row % 2}, z=lambda row: row % 5)
    assert detect("my.csv", Wanted()).dataset.target == name


def test_the_only_names_in_the_last_column_are_the_target(folder):
    write("my.csv", x=lambda row: row % 7, species=lambda row: "abc"[row % 3])
    assert detect("my.csv", Wanted()).dataset.target == "species"


def test_a_target_that_cannot_be_told_is_asked_for_with_the_columns(folder):
    write("my.csv", area=lambda row: row % 7, price=lambda row: row * 1.5)
    with pytest.raises(UserError, match="Give --target NAME; the columns are area, price"):
        detect("my.csv", Wanted())
    with pytest.raises(UserError, match="unknown column 'prise'; did you mean 'price'"):
        detect("my.csv", Wanted("prise"))


@pytest.mark.parametrize(
    ("target", "task"),
    [
        (lambda row: row * 1.37, "regression"),
        (lambda row: row % 2, "classification"),
        (lambda row: "01"[row % 2] + ".0", "classification"),
        (lambda row: ("true", "false")[row % 2], "classification"),
        (lambda row: 10 * row % 330, "regression"),
    ],
)
def test_the_task_is_told_by_the_target(folder, target, task):
    write("my.csv", x=lambda row: row % 7, y=target)
    found = detect("my.csv", Wanted())
    assert found.dataset.task == task
    assert bool(found.dataset.load().classes) == (task == "classification")


def test_a_few_whole_numbers_ask_for_their_task_by_name(folder):
    write("my.csv", x=lambda row: row % 7, quality=lambda row: 3 + row % 6)
    with pytest.raises(UserError, match=r"6 whole numbers, 3 to 8; .* --task classification or"):
        detect("my.csv", Wanted("quality"))
    for task in ("classification", "regression"):
        assert detect("my.csv", Wanted("quality", task)).dataset.task == task


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (lambda row: f"K{row:04d}", "is an id"),
        (lambda row: row + 1, "is an id"),
        (words, "holds free text"),
        (lambda row: f"2024-01-{1 + row % 28:02d}", "holds dates or times"),
        (lambda row: 1, "has the same value in every row"),
        (lambda row: "", "holds only missing values"),
        (lambda row: "x" if row % 2 else "", "holds 'x' or nothing; write another value where"),
        (lambda row: 1 if row % 2 else "", "holds '1' or nothing; write another value where"),
    ],
)
def test_a_target_that_cannot_be_learned_is_one_sentence(folder, target, why):
    write("my.csv", x=lambda row: row % 7, odd=target)
    with pytest.raises(UserError, match=f"the target 'odd' {why}.* choose a column"):
        detect("my.csv", Wanted("odd"))


def test_a_table_of_one_column_or_without_rows_is_one_sentence(folder):
    (folder / "one.csv").write_text("a\n1\n2\n")
    (folder / "none.csv").write_text("a,b\n")
    with pytest.raises(UserError, match="has the one column 'a'"):
        detect("one.csv", Wanted())
    with pytest.raises(UserError, match="holds no rows; add some"):
        detect("none.csv", Wanted())


def test_a_number_of_its_own_in_each_row_is_kept_where_there_is_nothing_else(folder):
    write("my.csv", time=lambda row: row, y=lambda row: row * 0.7)
    assert detect("my.csv", Wanted()).dataset.drop == ()


def test_texts_with_classes(folder):
    write("my.csv", id=lambda row: row, review=words, rating=lambda row: ("good", "bad")[row % 2])
    found = detect("my.csv", Wanted())
    assert found.dataset == Text("my.csv", 32, "review", "rating")
    assert "left out, beside the text: id" in found.told
    assert len(found.dataset.load().inputs) == ROWS
    write("my.csv", review=words, price=lambda row: row * 1.5)
    with pytest.raises(UserError, match="of texts only classes are learned"):
        detect("my.csv", Wanted("price"))


def test_texts_in_lines_of_json(folder):
    lines = [json.dumps({"text": words(row), "label": row % 2}) for row in range(ROWS)]
    (folder / "my.jsonl").write_text("\n".join(lines))
    assert detect("my.jsonl", Wanted()).dataset == Text("my.jsonl", 32)
    (folder / "table.jsonl").write_text('{"x": 1, "y": 2.5}\n{"x": 2, "y": 3.5}\n' * 9)
    with pytest.raises(UserError, match=r"save it as \.csv or \.parquet"):
        detect("table.jsonl", Wanted("y"))
    (folder / "odd.jsonl").write_text('{"x": 1}\n{"x": "a"}\n')
    with pytest.raises(UserError, match="one JSON object on each line"):
        detect("odd.jsonl", Wanted())


def test_lines_without_names_are_series_or_one_sentence(folder):
    lines = [",".join(map(str, [row % 2, *np.sin(np.arange(9) + row)])) for row in range(ROWS)]
    (folder / "my.csv").write_text("\n".join(lines))
    assert detect("my.csv", Wanted()).dataset == Series("my.csv")
    (folder / "named.csv").write_text(
        "\n".join(f"{'ab'[row % 2]},{lines[row]}" for row in range(9))
    )
    assert detect("named.csv", Wanted()).dataset == Series("named.csv")
    (folder / "twice.tsv").write_text("\n".join(["0\t" + "0.5\t" * 9 + "1"] * 9))
    assert detect("twice.tsv", Wanted()).dataset == Series("twice.tsv")
    (folder / "no.csv").write_text("1,2\n3,4\n5,6\n")
    with pytest.raises(UserError, match="add a first line with a name for each column"):
        detect("no.csv", Wanted())
    (told,) = detect("my.csv", Wanted()).told
    assert "if it is a table, add a first line with a name for each column" in told


IRIS = "5.1,3.5,1.4,0.2,Iris-setosa"
WINE = "1,14.23,1.71,2.43,15.6,127,2.8,3.06,.28,2.29,5.64,1.04,3.92,1065"
VALUES = {
    "iris.data": IRIS,
    "iris.csv": IRIS,
    "sonar.csv": f"{'0.02,0.0371,' * 30}R",
    "wine.data": WINE,
    "class_first.csv": "M,17.99,10.38,122.8",
    "yes_no.csv": "2.5,1.5,y",
    "commas.tsv": "5,1\t3,5\tIris-setosa",
    "parts.csv": WINE,
}


@pytest.mark.parametrize("name", VALUES)
def test_values_where_names_should_be_are_told(folder, name):
    (folder / "parts.csv").mkdir()
    file = folder / name / "0.csv" if name == "parts.csv" else folder / name
    file.write_text(f"{VALUES[name]}\n" * 20)
    with pytest.raises(UserError, match="begins with numbers where the names of its columns shou"):
        detect(name, Wanted())


def test_names_may_be_numbers_where_one_is_the_target(folder):
    for header, wanted in (("0.25,0.5,label", ""), ("sample,1100.5,Protein", "Protein")):
        (folder / "my.csv").write_text(f"{header}\n" + "1,2.5,a\n3,4.5,b\n3,5,a\n1,4.5,b\n")
        found = detect("my.csv", Wanted(wanted)).dataset
        assert isinstance(found, Table) and found.target == header.split(",")[-1]


def test_numbers_that_count_from_0_and_years_are_names(folder):
    (folder / "places.csv").write_text("0,1,2\n" + "".join(f"{row},0.5,a\n" for row in range(9)))
    with pytest.raises(UserError, match="Give --target NAME; the columns are 0, 1, 2"):
        detect("places.csv", Wanted())
    years = [str(year) for year in range(2010, 2020)]
    rows = "".join(f"{'ab'[row % 2]},{','.join(years)}\n" for row in range(9))
    (folder / "years.csv").write_text(f"label,{','.join(years)}\n{rows}")
    found = detect("years.csv", Wanted()).dataset
    assert isinstance(found, Table) and found.target == "label"


def test_pictures_are_made_alike(folder):
    pictures(folder / "same")
    pictures(folder / "large", lambda i: (400, 200))
    pictures(folder / "unlike", lambda i: (30 + i, 40), "L")
    found = [detect(name, Wanted()).dataset for name in ("same", "large", "unlike")]
    assert found[0] == ImageFolder("same")
    assert found[1] == ImageFolder("large", (32, 64))
    assert found[2] == ImageFolder("unlike", (64, 64), 1)


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_an_archive_of_pictures_is_as_good_as_the_folder(folder, kind):
    pictures(folder / "deep" / "photos")
    name = shutil.make_archive("my", kind, folder, "deep")
    found = detect(name, Wanted()).dataset
    assert found == ImageFolder(name)
    raw, plain = found.load(), ImageFolder("deep/photos").load()
    assert (raw.inputs == plain.inputs).all() and raw.classes == ("cats", "dogs")
    assert raw.row_name(0) == f"{name}/cats/0.png"


def test_an_archive_that_leaves_its_folder_or_is_none(folder):
    with tarfile.open("out.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("../out.txt"), io.BytesIO())
    (folder / "no.zip").write_text("no")
    pictures(folder / "deep" / "photos")
    for kind in ("zip", "bztar", "xztar"):
        whole = Path(shutil.make_archive(kind, kind, folder, "deep"))
        content = bytearray(whole.read_bytes())
        content[60 : len(content) // 2] = b"\xff" * (len(content) // 2 - 60)
        whole.write_bytes(content)
    for name in ("out.tar", "no.zip", "zip.zip", "bztar.tar.bz2", "xztar.tar.xz"):
        with pytest.raises(UserError, match="cannot be unpacked"):
            detect(name, Wanted())
    assert not (folder.parent / "out.txt").exists()


def test_arrays_and_series_files(folder):
    np.savez("my.npz", inputs=np.zeros((9, 3)), targets=np.zeros(9))
    (folder / "arrays").mkdir()
    np.save("arrays/inputs.npy", np.zeros((9, 3)))
    (folder / "my.ts").write_text("@data\n1,2:a\n")
    assert detect("my.npz", Wanted()).dataset == Npz("my.npz")
    assert detect("arrays", Wanted()).dataset == Npz("arrays")
    assert detect("my.ts", Wanted()).dataset == Series("my.ts")
    with pytest.raises(UserError, match=r"^--target y: my.ts says itself"):
        detect("my.ts", Wanted("y"))


def test_what_is_no_data_is_one_sentence(folder):
    (folder / "my.xlsx").write_text("")
    (folder / "bare").mkdir()
    Image.new("L", (8, 8)).save("bare/a.png")
    (folder / "void").mkdir()
    for name, sentence in [
        ("my.xlsx", r"no data that can be read; save it as \.csv"),
        ("bare", "1 pictures but no folder for each class"),
        ("void", "no pictures and no arrays"),
    ]:
        with pytest.raises(UserError, match=sentence):
            detect(name, Wanted())
    assert is_data("my.xlsx")
    (folder / "space.py").write_text("")
    assert not is_data("space.py")
    assert not is_data("nowhere.csv")


def test_pictures_lie_as_their_cameras_say(folder):
    pictures(folder / "turned", lambda i: (30, 20))
    for file in (folder / "turned" / "cats").iterdir():
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        Image.new("RGB", (20, 30)).save(file, exif=exif)
    found = detect("turned", Wanted()).dataset
    assert found == ImageFolder("turned")
    assert found.load().input_shape == (3, 20, 30)


def test_pictures_behind_links_count(folder):
    pictures(folder / "real")
    (folder / "linked").mkdir()
    for label in ("cats", "dogs"):
        (folder / "linked" / label).symlink_to(folder / "real" / label)
    assert "holds 8 pictures" in detect("linked", Wanted()).told[0]


@pytest.mark.parametrize("value", [["a", "b"], {"a": 1}], ids=["lists", "objects"])
def test_lists_and_objects_among_texts_are_left_out(folder, value):
    lines = [json.dumps({"text": words(i), "label": "ab"[i % 2], "more": value}) for i in range(40)]
    (folder / "my.jsonl").write_text("\n".join(lines))
    assert detect("my.jsonl", Wanted()).dataset == Text("my.jsonl", 32)


def test_columns_of_any_type_in_parquet_are_told(folder):
    columns = {
        "lists": pa.array([[1.0, 2.0]] * 40),
        "maps": pa.array([[("a", 1)]] * 40, pa.map_(pa.string(), pa.int64())),
        "half": pa.array(np.arange(40, dtype=np.float16) / 2),
        "y": pa.array(["no", "yes"] * 20),
    }
    parquet.write_table(pa.table(columns), "my.parquet")
    found = detect("my.parquet", Wanted("y"))
    assert found.dataset == Table("my.parquet", "y", task="classification", drop=("lists", "maps"))
    assert "left out: 'lists', it holds values of the type list<" in found.told[1]
    assert detect("my.parquet", Wanted("half")).dataset.load().targets.shape == (40, 1)


def test_series_may_stand_apart_by_several_blanks(folder):
    lines = [
        f"  {1 + i % 2}  " + "  ".join(f"{i / 7 + step:.3e}" for step in range(24))
        for i in range(20)
    ]
    (folder / "my.txt").write_text("\n".join(lines) + "\n")
    assert detect("my.txt", Wanted()).dataset == Series("my.txt")
