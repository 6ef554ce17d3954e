"""Texts for an exported model are those that training would read."""

import csv

import numpy as np
import pandas
import pyarrow as pa
import pytest
from helpers.datasets import write_csv
from helpers.exported import read, run_alone, write_export
from helpers.pretrained import write_tokenizer

import automl
from automl.data.text import Text
from automl.errors import UserError


def test_a_table_of_texts_alone_may_have_a_blank_in_its_name(tmp_path):
    rows = [(f"this is, {('bad', 'good')[row % 2]} {row}", row % 2) for row in range(20)]
    path = write_csv(tmp_path / "a.csv", ("Review Text", "Label"), rows)
    model = automl.load(write_export(Text(path, 16, "Review Text", "Label"), tmp_path / "out"))
    for texts in (["good, really nice", "bad"], ["good film"]):
        new = write_csv(tmp_path / "new.csv", ("Review Text",), [(text,) for text in texts])
        np.testing.assert_array_equal(read(model, new)[0], read(model, texts)[0])


def test_texts_stand_in_a_column_of_any_table(tmp_path):
    rows = [(f"{('bad', 'good')[row % 2]} film", row % 2) for row in range(20)]
    path = write_csv(tmp_path / "a.csv", ("text", "label"), rows)
    model = automl.load(write_export(Text(path, 16), tmp_path / "out"))
    texts, wanted = [text for text, _ in rows], read(model, path)[0]
    for table in (
        pandas.read_csv(path),
        pa.table({"text": texts}),
        {"text": texts},
        {"text": np.array(texts)},
    ):
        np.testing.assert_array_equal(read(model, table)[0], wanted)
    np.testing.assert_array_equal(read(model, {"text": texts[0]})[0], wanted[:1])
    twice = pandas.DataFrame([["good", "bad"]], columns=["text"] * 2)
    with pytest.raises(UserError, match="the table has two columns 'text'; rename one"):
        model.predict(twice)
    with pytest.raises(UserError, match="the table has no column text; it has other"):
        model.predict(pa.table({"other": texts}))


def test_texts_become_the_ids_of_training(tmp_path):
    texts = [f"a {('bad', 'good')[row % 2]} film" for row in range(20)]
    path = write_csv(tmp_path / "films.csv", ("text", "label"), [(t, t[2]) for t in texts])
    source = Text(path, length=8, tokenizer=str(write_tokenizer(tmp_path / "tokenizer")))
    model = automl.load(write_export(source, tmp_path / "out"))
    assert (tmp_path / "out" / "tokenizer.json").exists()
    for rows in (path, texts, [{"text": text} for text in texts], {"text": texts}):
        np.testing.assert_array_equal(read(model, rows)[0], source.load().inputs)


@pytest.mark.parametrize("delimiter", ["\t", ",", " "])
def test_a_txt_with_names_is_the_table_of_training_and_else_a_text_a_line(delimiter, tmp_path):
    rows = [(f"a {('bad', 'good')[row % 2]} film {row}", "np"[row % 2]) for row in range(20)]
    source = Text(write_csv(tmp_path / "a.txt", ("text", "label"), rows, delimiter), length=16)
    out, raw = write_export(source, tmp_path / "out"), source.load()
    model = automl.load(out)
    np.testing.assert_array_equal(read(model, tmp_path / "a.txt")[0], raw.inputs)
    answers = [line[1] for line in csv.reader(run_alone(out, source.path).stdout.splitlines())][1:]
    assert answers == model.predict([text for text, _ in rows]).tolist()
    for first in ("text", "it is a text", "a text, such as"):
        lines = [first, *(text for text, _ in rows)]
        (tmp_path / "lines.txt").write_text("\n".join(lines))
        np.testing.assert_array_equal(read(model, tmp_path / "lines.txt")[0], read(model, lines)[0])
