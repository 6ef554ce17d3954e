"""Texts as the ids of a tokenizer file."""

import sys

import numpy as np
import pytest
from helpers.datasets import write_csv
from helpers.pretrained import WORDS, write_tokenizer

from automl.data import dataset
from automl.data.hub import HuggingFace
from automl.data.preview import previews
from automl.data.text import Text
from automl.errors import UserError

pytest.importorskip("tokenizers")
ROWS = [(f"a {('bad', 'good')[row % 2]} film", row % 2) for row in range(20)]


def made(folder, **options):
    path = write_csv(folder / "a.csv", ("text", "label"), ROWS)
    return Text(path, tokenizer=str(write_tokenizer(folder / "tokenizer")), **options)


def test_a_text_is_its_ids_with_special_tokens_then_padding(tmp_path):
    raw = made(tmp_path, length=7).load()
    assert raw.inputs[:2].tolist() == [[2, 4, 7, 8, 3, 0, 0], [2, 4, 6, 8, 3, 0, 0]]
    assert (raw.inputs.dtype, raw.num_tokens, raw.input_shape) == (np.int32, len(WORDS), (7,))


def test_a_long_text_is_cut_with_its_special_tokens(tmp_path):
    assert made(tmp_path, length=4).load().inputs[0].tolist() == [2, 4, 7, 3]


def test_texts_are_made_numbers_once_and_another_tokenizer_is_another_dataset(tmp_path):
    text = made(tmp_path, length=7)
    folder = dataset._prepared(text, 0, tmp_path / "cache")
    assert dataset._prepared(text, 0, tmp_path / "cache") == folder
    write_tokenizer(tmp_path / "tokenizer", (*WORDS, "more"))
    assert dataset._prepared(text, 0, tmp_path / "cache") != folder


def test_a_dataset_of_the_hub_takes_a_tokenizer_too(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = {"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}
    datasets.Dataset.from_dict(rows).save_to_disk(str(tmp_path / "saved"))
    text = made(tmp_path, length=7)
    saved = HuggingFace(path=str(tmp_path / "saved"), tokenizer=text.tokenizer, length=7)
    assert np.array_equal(saved.load().inputs, text.load().inputs)
    assert saved.tokenizer_json() == text.tokenizer_json()


def test_the_tokenizer_that_ships_gives_the_rows(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    text = made(tmp_path, length=7)
    shipped = tokenizers.Tokenizer.from_str(text.tokenizer_json())
    assert shipped.encode(ROWS[0][0]).ids == text.load().inputs[0].tolist()


def test_a_preview_reads_the_ids(tmp_path):
    text = made(tmp_path, length=7)
    data = dataset.load(text, 0, tmp_path / "cache")
    shown = previews(data.train.inputs[:1], data.info, text.tokenizer_json())
    assert shown[0]["text"] in {text for text, _ in ROWS}


def test_a_folder_without_a_tokenizer_and_a_file_that_is_none_are_told(tmp_path):
    path = write_csv(tmp_path / "a.csv", ("text", "label"), ROWS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds no tokenizer.json; save the tokenizer"):
        Text(path, tokenizer=str(tmp_path / "empty")).load()
    with pytest.raises(UserError, match=r"a.csv cannot make 128 ids of a text"):
        Text(path, tokenizer=path).load()


def test_a_tokenizer_that_cannot_pad_is_told(tmp_path):
    text = made(tmp_path)
    write_tokenizer(tmp_path / "tokenizer", ("[BLANK]", *WORDS[1:]))
    with pytest.raises(UserError, match=r"no token for padding; add one of \[PAD\], <pad>"):
        text.load()


def test_the_missing_package_is_told(tmp_path, monkeypatch):
    text = made(tmp_path)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UserError, match=r"needs the package 'tokenizers'; install it: pip"):
        text.load()
