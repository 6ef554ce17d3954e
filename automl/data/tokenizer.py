"""Texts as the token ids of a tokenizer.json, by the optional package `tokenizers`."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from automl.data.arrays import Array, empty
from automl.data.optional_packages import package
from automl.data.reading import existing
from automl.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILE = "tokenizer.json"
PADDING = ("[PAD]", "<pad>", "<|pad|>", "<|endoftext|>", "</s>")
"""Tokens that stand after the end of a text, in the order in which they are looked for."""
TEXTS_AT_ONCE = 1_000


def token_ids(texts: Sequence[str], path: str, length: int) -> tuple[Array, int]:
    """The ids int32 (rows, length) of texts, cut at `length` with their special tokens, padded
    after their end; and the size of the vocabulary."""
    tokenizer = _of_length(path, length)
    inputs = empty((len(texts), length), np.int32)
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        some = texts[start : start + TEXTS_AT_ONCE]
        rows = tokenizer.encode_batch(list(some))
        inputs[start : start + len(some)] = [row.ids for row in rows]
    return inputs, tokenizer.get_vocab_size()


def tokenizer_json(path: str, length: int) -> str:
    """The tokenizer as `token_ids` uses it, which cuts and pads by itself."""
    text: str = _of_length(path, length).to_str()
    return text


def text_of(ids: Sequence[int], tokenizer: str) -> str:
    """The text that token ids stand for, without special tokens, given what `tokenizer_json`
    gave."""
    text: str = _package().Tokenizer.from_str(tokenizer).decode(list(ids))
    return text


def _of_length(path: str, length: int) -> Tokenizer:
    """The tokenizer of this path or in this folder, set to cut and pad texts to a length."""
    found = existing(path)
    file = found / FILE if found.is_dir() else found
    if not file.is_file():
        raise UserError(f"{found} holds no {FILE}; save the tokenizer there as one")
    package = _package()
    try:
        tokenizer: Tokenizer = package.Tokenizer.from_file(str(file))
        pad_id, pad_token = _padding(tokenizer)
        tokenizer.enable_truncation(length)
        tokenizer.enable_padding(length=length, pad_id=pad_id, pad_token=pad_token)
    except Exception as error:
        raise UserError(f"{file} cannot make {length} ids of a text: {error}") from error
    return tokenizer


def _package() -> ModuleType:
    return package("tokenizers", "a tokenizer", "pretrained")


def _padding(tokenizer: Tokenizer) -> tuple[int, str]:
    """The id and the token that stand after the end of a text."""
    if tokenizer.padding:
        return tokenizer.padding["pad_id"], tokenizer.padding["pad_token"]
    for token in PADDING:
        found: int | None = tokenizer.token_to_id(token)
        if found is not None:
            return found, token
    raise UserError(f"it has no token for padding; add one of {', '.join(PADDING)}")
