"""Texts as people have them: read as their owner means them, or told in one sentence."""

import bz2
import gzip
import lzma
import re

import pytest
from helpers.cases import said, write
from helpers.datasets import write_jsonl

from automl.data.text import Text


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


def test_labels_in_lines_of_json_are_what_they_say(tmp_path):
    rows = [{"text": "t", "label": label} for label in ("NA", "null", "N/A")]
    assert Text(write_jsonl(tmp_path / "a.jsonl", rows)).load().classes == ("N/A", "NA", "null")


def test_long_numbers_that_differ_are_two_classes(tmp_path):
    labels = ["12345678901234567890", "12345678901234567891"]
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": "t", "label": label} for label in labels])
    assert Text(path).load().classes == tuple(labels)


TEXTS_TOLD = {
    "long names": (
        "a.csv",
        '"a\nb","' + "x" * 999 + '"\n1,2\n',
        r"names no column 'text' but a b, x{60}; tell which holds the text",
    ),
    "NaN": ("a.jsonl", '{"text": "a", "label": NaN}\n', r"line 1 .* has no label in 'label'"),
    "nan": ("a.csv", "text,label\na,nan\n", r"line 2 .* has no label in 'label'; fill or remove"),
    "NA": ("a.txt", "text\tlabel\na\tNA\n", r"line 2 .* no label .*, as 'NA' stands for none"),
    "<NA>": ("a.csv", "text,label\na,b\nc, <NA>\n", r"line 3 .* as '<NA>' stands for none"),
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
    "a quote that ends the file": (
        "a.csv",
        'label,text\n1,"abc\n0,def\n',
        r"line 2 of .* holds a quote that is not closed",
    ),
    "cut": ("a.csv.xz", lzma.compress(b"text,label\n" * 99)[:50], r"a.csv.xz does not unpack"),
}


@pytest.mark.parametrize("name", TEXTS_TOLD)
def test_texts_that_cannot_be_meant_are_told(tmp_path, name):
    file, content, wanted = TEXTS_TOLD[name]
    text = said(Text(write(tmp_path / file, content)), tmp_path)
    assert re.search(wanted, text), text
