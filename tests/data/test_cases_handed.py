"""Files that went wrong once, handed over: each is read as its owner means it, or told."""

import re

import pytest
from helpers.cases import case, said, write
from helpers.datasets import write_images

from automl.data.image_folder import ImageFolder
from automl.data.npz import Npz
from automl.data.series import Series
from automl.data.table import Table
from automl.data.text import Text

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
