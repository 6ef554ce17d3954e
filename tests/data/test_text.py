import pytest
from helpers.datasets import write_csv, write_jsonl

from automl import config_checks
from automl.data.dataset import load
from automl.data.text import Text
from automl.errors import UserError


def texts(raw):
    return [bytes(row).rstrip(b"\0").decode() for row in raw.inputs]


def write(folder, content, name="a.csv"):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder / name)


def test_a_csv_gives_bytes_and_classes(tmp_path):
    path = write(tmp_path, 'id,label,text\n1,pos,"two\nlines, and a comma"\n2,neg,plain\n')
    raw = Text(path, length=32).load()
    assert (raw.inputs.dtype, raw.inputs.shape) == ("uint8", (2, 32))
    assert (raw.input_shape, raw.num_tokens) == ((32,), 256)
    assert texts(raw) == ["two\nlines, and a comma", "plain"]
    assert (raw.classes, raw.targets.tolist()) == (("neg", "pos"), [1, 0])


def test_columns_may_have_other_names_and_tabs_between(tmp_path):
    path = write_csv(tmp_path / "a.tsv", ("review", "stars"), [("bad", 2), ("good", 10)], "\t")
    raw = Text(path, text="review", label="stars").load()
    assert (texts(raw), raw.classes) == (["bad", "good"], ("2", "10"))


def test_json_lines_give_the_same(tmp_path):
    rows = [{"text": "bad \u00fc", "label": 0}, {"label": 1, "text": "good", "more": []}]
    raw = Text(write_jsonl(tmp_path / "a.jsonl", rows)).load()
    assert (texts(raw), raw.classes) == (["bad \u00fc", "good"], ("0", "1"))


@pytest.mark.parametrize(("length", "cut"), [(5, "caf\u00e9"), (4, "caf"), (6, "caf\u00e9s")])
def test_a_text_is_cut_between_characters(tmp_path, length, cut):
    path = write(tmp_path, "text,label\ncaf\u00e9s,1\n")
    assert texts(Text(path, length=length).load()) == [cut]


def test_the_rows_of_the_test_file_come_last(tmp_path):
    path = write(tmp_path, "text,label\na,0\nb,1\n")
    test = write_jsonl(tmp_path / "b.jsonl", [{"text": "c", "label": "1"}])
    raw = Text(path, test_path=test).load()
    assert (texts(raw), raw.num_test) == (["a", "b", "c"], 1)
    assert raw.targets.tolist() == [0, 1, 1]


BAD_CSV = {
    r"line 1 of .*a.csv names no column 'label' but text": "text\nhi\n",
    r"line 1 of .*a.csv names no column 'text' but none": "",
    r"a.csv holds no rows; add some": "text,label\n",
    r"line 4 of .*a.csv has no text": 'text,label\n"a\nb",0\n  ,1\n',
    r"line 3 of .*a.csv has no label in 'label'": "text,label\na,0\nb,\n",
    r"line 4 of .*a.csv has 3 fields where the header has 2": "text,label\na,0\n\nb,c,1\n",
    r"line 3 of .*a.csv is not UTF-8": b"text,label\na,0\n\xff\xfe,1\n",
}
BAD_JSON = {
    r"line 2 of .*a.jsonl is not JSON: Expecting value": '{"text": "a", "label": 0}\n{"text":\n',
    r"line 3 of .*a.jsonl is no JSON object": '{"text": "a", "label": 0}\n\n["a", 0]\n',
    r"line 1 of .*a.jsonl has no text": '{"text": 3, "label": 0}\n',
    r"line 1 of .*a.jsonl has no label in 'label'": '{"text": "a", "label": null}\n',
    r"line 2 of .*a.jsonl is not JSON: maximum recursion": (
        '{"text": "a", "label": 0}\n' + "[" * 100_000 + "]" * 100_000
    ),
    r"line 1 of .*a.jsonl is not JSON: Exceeds the limit": "9" * 5000,
    r"a.jsonl holds no rows; add some": "\n",
    r"line 1 of .*a.jsonl is not UTF-8": '{"text": "\\ud800", "label": 0}\n',
}


@pytest.mark.parametrize("message", [*BAD_CSV, *BAD_JSON])
def test_a_bad_line_is_told(tmp_path, message):
    name = "a.csv" if message in BAD_CSV else "a.jsonl"
    path = write(tmp_path, {**BAD_CSV, **BAD_JSON}[message], name)
    with pytest.raises(UserError, match=message):
        Text(path).load()


def test_a_test_file_without_rows_is_told(tmp_path):
    path = write(tmp_path, "text,label\na,0\nb,1\n")
    with pytest.raises(UserError, match=r"b.csv holds no rows; add some"):
        Text(path, test_path=write(tmp_path, "text,label\n", "b.csv")).load()


def test_a_folder_is_told(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(UserError, match=r"a.csv is a folder; give the path of a file"):
        Text(str(tmp_path / "a.csv")).load()


def test_another_file_or_length_is_told(tmp_path):
    with pytest.raises(UserError, match=r"a.doc is no .csv, .tsv or .jsonl file"):
        Text(write(tmp_path, "a", "a.doc")).load()
    with pytest.raises(UserError, match=r"length must be at least 1, not 0"):
        config_checks.check(Text(write(tmp_path, "text,label\na,0\n"), length=0))


def test_a_class_that_appears_once_is_told_with_its_line(tmp_path):
    rows = [("hello", "ab"[row % 2]) for row in range(20)] + [("alone", "c")]
    path = write_csv(tmp_path / "a.csv", ("text", "label"), rows)
    with pytest.raises(UserError, match=r"class 'c' appears 1 times .*\(line 22 of .*a.csv\)"):
        load(Text(path), 0, tmp_path / "cache")
