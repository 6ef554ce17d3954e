"""The columns that a model wants of files with delimiters and of Parquet files, in pieces."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from automl.data.number_texts import (
    DECIMAL,
    DECIMAL_COMMA,
    GROUPED_BY_COMMAS,
    GROUPED_BY_DOTS,
    HAS_MARK,
    NO_COMMAS,
    NUMBER_OF,
    dots_may_group,
    meaning_of_commas,
    plain_number,
)
from automl.data.reading import PARQUET, visible_files
from automl.data.text_files import DELIMITERS, delimiter_of, ending, records
from automl.errors import UserError
from automl.predictor.fields import NoNumber, unquoted
from automl.predictor.rows import BATCH_ROWS, Columns, RowFormat, check_columns, in_batches

ReadNumber: TypeAlias = Callable[[str], float | None]


def tables_in(path: Path) -> list[Path]:
    """The file, or the files in a folder of parts. Raises UserError on files of another kind."""
    files = visible_files(path) if path.is_dir() else [path]
    files = [file for file in files if file == path or not file.name.startswith("_")]
    for file in files:
        if ending(file) not in (*DELIMITERS, *PARQUET):
            raise UserError(f"{file} is no .csv, .tsv or .parquet file; save it as one")
    if not files:
        raise UserError(f"{path} holds no files; give the path of a .csv or .parquet file")
    return files


def columns_of_file(path: Path, form: RowFormat) -> Iterator[Columns]:
    """The columns that a model wants, some rows at a time.

    In a column in which commas stand among numbers, these come as numbers.
    """
    read = _parquet if ending(path) in PARQUET else _delimited
    any_rows = False
    for columns in read(path, form):
        any_rows = True
        yield columns
    if not any_rows:
        raise UserError(f"{path} holds no rows; add some")


def _delimited(path: Path, form: RowFormat) -> Iterator[Columns]:
    delimiter, wanted = delimiter_of(path, form.columns), form.columns
    lines = records(path, delimiter)
    _, header = next(lines, (1, []))
    names = [unquoted(name.strip()) for name in header]
    check_columns(str(path), names, list(wanted))
    places = {name: names.index(name) for name in wanted}
    numbers = {name: place for name, place in places.items() if not wanted[name]}
    readers = _number_readers(path, delimiter, numbers, form.commas)
    for some in in_batches(_whole(lines, len(header), path, delimiter)):
        columns = list(zip(*some))
        yield {
            name: _as_plain(columns[place], readers[name]) if name in readers else columns[place]
            for name, place in places.items()
        }


def _number_readers(
    path: Path, delimiter: str, places: Mapping[str, int], known: Mapping[str, str]
) -> dict[str, ReadNumber]:
    """The way to make numbers of the texts in each column with commas or dots, as all texts tell
    together; `known` is what commas meant in training."""
    found: dict[str, dict[object, str]] = {name: {} for name in places}
    holds_quotes = False
    for _, fields in records(path, delimiter):
        holds_quotes = holds_quotes or any(mark in "".join(fields) for mark in '"\r\n')
        for name, place in places.items():
            if place < len(fields) and re.search(HAS_MARK, fields[place]):
                text = unquoted(fields[place].strip())
                forms = (DECIMAL_COMMA, GROUPED_BY_COMMAS, GROUPED_BY_DOTS)
                found[name].setdefault(tuple(bool(form.fullmatch(text)) for form in forms), text)
    if holds_quotes:
        deque(records(path, delimiter, strict=True), maxlen=0)
    try:
        return _by_column({n: list(t.values()) for n, t in found.items()}, delimiter, known)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _by_column(
    texts: Mapping[str, Sequence[str]], delimiter: str, known: Mapping[str, str]
) -> dict[str, ReadNumber]:
    """The way to make numbers of each column, given a text of each form that is found in it.

    Raises UserError where a comma or a dot may group thousands or be a decimal mark.
    """
    means = {
        name: meaning_of_commas(name, some, delimiter, known.get(name, NO_COMMAS))[0]
        for name, some in texts.items()
    }
    has_decimals = DECIMAL in means.values()
    for name, some in texts.items():
        dotted = [text for text in some if "." in text]
        may_group = bool(dotted) and all(map(GROUPED_BY_DOTS.fullmatch, dotted))
        is_known = known.get(name) == DECIMAL
        if means[name] or not may_group or not (has_decimals or is_known):
            continue
        if not (has_decimals and is_known):
            raise UserError(dots_may_group(name, dotted[0]))
        means[name] = DECIMAL
    return {name: NUMBER_OF[meaning] for name, meaning in means.items() if meaning}


def _as_plain(texts: Sequence[str], read: ReadNumber) -> list[object]:
    """Texts with commas as numbers; those that are none stay texts."""
    found: list[object] = []
    for text in texts:
        plain = unquoted(text.strip())
        value = read(plain)
        if value is None and plain_number(plain) is not None:
            found.append(NoNumber(text))
        else:
            found.append(text if value is None else value)
    return found


def _whole(
    lines: Iterator[tuple[int, list[str]]], width: int, path: Path, delimiter: str
) -> Iterator[list[str]]:
    for line, fields in lines:
        if len(fields) != width:
            raise UserError(
                f"line {line} of {path} has {len(fields)} fields where the header has "
                f"{width}; quote values that hold the delimiter {delimiter!r}"
            )
        yield fields


def _parquet(path: Path, form: RowFormat) -> Iterator[Columns]:
    wanted = form.columns
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise UserError(f"{path} needs the package 'pyarrow'; install it, or save a .csv") from None
    try:
        file = parquet.ParquetFile(path, memory_map=True)
    except (ArrowException, OSError) as error:
        why = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read: {why}; save it again") from None
    own = {name.strip(): name for name in file.schema_arrow.names}
    check_columns(str(path), [name.strip() for name in file.schema_arrow.names], list(wanted))
    for batch in file.iter_batches(BATCH_ROWS, columns=[own[name] for name in wanted]):
        yield {name: batch.column(own[name]).to_pylist() for name in wanted}
