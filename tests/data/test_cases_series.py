"""Series as people have them: read as their owner means them, or told in one sentence."""

import gzip
import re

import pytest
from helpers.cases import said, write

from automl.data.series import Series


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


def test_a_class_that_a_header_names_may_be_called_as_a_missing_value(tmp_path):
    header = "@problemName x\n@classLabel true NA EU\n@data\n"
    raw = Series(write(tmp_path / "a.ts", f"{header}1,2:NA\n3,4:EU\n")).load()
    assert raw.classes == ("EU", "NA")


SERIES_TOLD = {
    "no label": (
        "a.csv",
        "1,2,3\nNaN,2,3\n",
        r"line 2 .* has no label but 'NaN'; add it or remove",
    ),
    "NA": ("a.tsv", "NA\t2\t3\n", r"line 1 .* has no label but 'NA'; add it or remove the line"),
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
