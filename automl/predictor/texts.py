"""Rows of text: .csv, .tsv, .jsonl and .txt files, lists of texts, and frames."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.data.reading import listed
from automl.data.text_bytes import checked, text_bytes
from automl.data.text_files import (
    DELIMITERS,
    SAMPLE_RECORDS,
    delimiter_of,
    ending,
    records,
    table,
    text_lines,
)
from automl.errors import UserError
from automl.predictor.rows import Batch, RowFormat, Unused, columns_in, in_batches

TextAt: TypeAlias = tuple[str, object]
"""The place of a text, in words, and what stands there."""


def read_text(rows: object, form: RowFormat, unused: Unused) -> Iterator[Batch]:
    """Batches of the texts in .csv, .tsv, .jsonl or .txt files, in a list, in a data frame or in
    dictionaries; a `str` is a path in Python, too, and a list of them are texts.

    A .txt file is a table if its first line names the column of the texts and another, as in
    training; else each line is a text.
    """
    start, encode = 0, _encoder(form)
    for some in in_batches(_texts(rows, form.text)):
        inputs = encode([checked(text, where) for where, text in some])
        yield Batch(range(start, start + len(some)), inputs)
        start += len(some)


def _encoder(form: RowFormat) -> Any:
    """The function that makes rows (rows, length) of texts: of ids, or of bytes."""
    (length,) = form.row_shape
    if not form.tokenizer:
        return lambda texts: bytes_of(texts, length)
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UserError(
            "this model's texts need the package 'tokenizers'; install it: pip install tokenizers"
        ) from None
    # It cuts and pads by itself.
    tokenizer = Tokenizer.from_file(form.tokenizer)
    return lambda texts: np.array([row.ids for row in tokenizer.encode_batch(texts)], np.int64)


def bytes_of(texts: Sequence[str], length: int) -> NDArray[np.int64]:
    """Texts as UTF-8 bytes (rows, length), zeros after the last of each."""
    return np.array([list(text_bytes(text, length)) for text in texts], np.int64)


def _texts(rows: object, column: str) -> Iterator[TextAt]:
    """All texts, each with its place."""
    if (columns := columns_in(rows, [column])) is not None:
        rows = columns[column]
    if isinstance(rows, Path | str):
        rows = [Path(rows)]
    if not isinstance(rows, list | tuple) or not rows:
        raise UserError(
            "these are no texts; give the path of a .csv, .jsonl or .txt file, or a list of texts"
        )
    if all(isinstance(row, Path) for row in rows):
        return chain.from_iterable(_file(path, column) for path in rows)
    return (
        (f"row {row}", text.get(column) if isinstance(text, Mapping) else text)
        for row, text in enumerate(rows)
    )


def _file(path: Path, column: str) -> Iterator[TextAt]:
    if not path.is_file():
        raise UserError(f"there is no file {path}; check the path")
    if ending(path) == ".txt" and not _is_table(path, column):
        return _plain_lines(path)
    if ending(path) in DELIMITERS:
        return _table_lines(path, column)
    if ending(path) == ".jsonl":
        return _json_lines(path, column)
    raise UserError(f"{path} is no .csv, .tsv, .jsonl or .txt file; save it as one")


def _is_table(path: Path, column: str) -> bool:
    """True of lines below a header that names the column of the texts, and another."""
    delimiter = delimiter_of(path)
    lines = [fields for _, fields in islice(records(path, delimiter), SAMPLE_RECORDS)]
    header = [name.strip() for name in lines[0]] if lines else []
    if len(header) < 2 or column not in header:
        return False
    # Prose has blanks between its words, too; a table's texts of several words stand in quotes.
    is_quoted = any(" " in field for fields in lines for field in fields)
    return delimiter != " " or (is_quoted and len(set(map(len, lines))) == 1)


def _table_lines(path: Path, column: str) -> Iterator[TextAt]:
    header, rows = table(path, (column,))
    names = [name.strip() for name in header]
    if names.count(column) != 1:
        told = f"two columns {column!r}" if column in names else f"no column {column!r}"
        raise UserError(f"{path} has {told}; it has {listed(header)}")
    place = names.index(column)
    for line, fields in rows:
        yield f"line {line} of {path}", fields[place]


def _json_lines(path: Path, column: str) -> Iterator[TextAt]:
    for where, content in _plain_lines(path):
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where} is not JSON: {error}; correct it") from None
        yield where, row.get(column) if isinstance(row, dict) else row


def _plain_lines(path: Path) -> Iterator[tuple[str, str]]:
    for line, text in text_lines(path):
        if text.strip():
            yield f"line {line} of {path}", text.rstrip("\r\n")
