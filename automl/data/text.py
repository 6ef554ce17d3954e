"""Labelled text in CSV or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from automl.data.arrays import Array, empty
from automl.data.dataset import Dataset
from automl.data.number_texts import MISSING
from automl.data.raw_dataset import RawDataset
from automl.data.reading import check_unicode, coded, existing_file, listed
from automl.data.text_bytes import checked, text_bytes
from automl.data.text_files import DELIMITERS, ending, table, text_lines
from automl.data.tokenizer import token_ids, tokenizer_json
from automl.errors import UserError
from automl.field_types import Count

NUM_TOKENS = 256


@dataclass(frozen=True)
class Text(Dataset):
    """A .csv or .tsv with a header, or a .jsonl with an object per line; labels are classes.

    A model sees the first `length` bytes of the UTF-8 text, whole characters only, then zeros; or,
    with a `tokenizer` (a tokenizer.json, or a folder that holds one), the text's first `length`
    token ids, special ones among them, then those of padding.
    """

    path: str
    length: Count = 128
    text: str = "text"
    label: str = "label"
    test_path: str = ""
    tokenizer: str = ""
    paths: ClassVar[tuple[str, ...]] = ("path", "test_path", "tokenizer")

    def load(self) -> RawDataset:
        parts = [self._rows(existing_file(path)) for path in (self.path, self.test_path) if path]
        rows = [row for part in parts for row in part]
        classes, targets = coded([label for _, _, label in rows])
        num_test = len(parts[1]) if self.test_path else 0

        def row_name(row: int) -> str:
            path = self.path if row < len(parts[0]) else self.test_path
            return f"line {rows[row][0]} of {path}"

        texts = [text for _, text, _ in rows]
        inputs, num_tokens = tokens(texts, self.length, self.tokenizer)
        shape = (self.length,)
        return RawDataset(
            inputs,
            targets,
            shape,
            classes,
            num_test,
            num_tokens=num_tokens,
            row_name=row_name,
            target=self.label,
        )

    def tokenizer_json(self) -> str:
        return tokenizer_json(self.tokenizer, self.length) if self.tokenizer else ""

    def text_column(self) -> str:
        return self.text

    def _rows(self, path: Path) -> list[tuple[int, str, str]]:
        """The line number, the text and the label of every row."""
        if ending(path) not in (*DELIMITERS, ".jsonl"):
            raise UserError(f"{path} is no .csv, .tsv or .jsonl file; save it as one")
        is_json = ending(path) == ".jsonl"
        read, missing = (_json_lines, ()) if is_json else (_table_lines, MISSING)
        rows = []
        for line, text, label in read(path, self.text, self.label):
            where = f"line {line} of {path}"
            said = checked_label(label, self.label, where, missing)
            rows.append((line, checked(text, where), said))
        if not rows:
            raise UserError(f"{path} holds no rows; add some")
        return rows


def checked_label(label: object, name: str, where: str, missing: Sequence[str] = ()) -> str:
    """The label as text, a whole number without decimals.

    Raises UserError, naming the row, where there is none, or one of the texts that stand for none.
    """
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    said = str(label).strip() if isinstance(label, str | int | float) else ""
    if said.lower() in ("", "nan") or said in missing:
        why = f", as {said!r} stands for none" if said else ""
        raise UserError(f"{where} has no label in {name!r}; fill or remove it{why}")
    check_unicode(said, where)
    return said


def tokens(texts: Sequence[str], length: int, tokenizer: str) -> tuple[Array, int]:
    """The texts as numbers (rows, length), and how many different ones there can be: the ids of a
    tokenizer, or, without one, bytes as uint8, zeros after the last of each."""
    if tokenizer:
        return token_ids(texts, tokenizer, length)
    inputs = empty((len(texts), length), np.uint8)
    for row, text in enumerate(texts):
        inputs[row] = np.frombuffer(text_bytes(text, length), np.uint8)
    return inputs, NUM_TOKENS


def _table_lines(path: Path, text: str, label: str) -> Iterator[tuple[int, object, object]]:
    header, rows = table(path)
    names = [name.strip() for name in header]
    for field, name in (("text", text), ("label", label)):
        if names.count(name) != 1:
            told = "two columns" if name in names else "no column"
            raise UserError(
                f"Text({field}={name!r}): line 1 of {path} names {told} {name!r} but "
                f"{listed(header)}; tell which holds the text and which the label"
            )
    for line, fields in rows:
        yield line, fields[names.index(text)], fields[names.index(label)]


def _json_lines(path: Path, text: str, label: str) -> Iterator[tuple[int, object, object]]:
    flags: set[bool] = set()
    for line, content in text_lines(path):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise UserError(f"line {line} of {path} is not JSON: {error}; correct it") from None
        if not isinstance(row, dict):
            raise UserError(f"line {line} of {path} is no JSON object; write one per line")
        found = row.get(label)
        if found is not None:
            flags.add(isinstance(found, bool))
        if len(flags) > 1:
            raise UserError(
                f"line {line} of {path} has the label {json.dumps(found)}, but some lines have "
                "true or false and others not; write the labels alike"
            )
        yield line, row.get(text), found
