"""Tables in files with delimiters or in Parquet, of one file or a folder of parts."""

from __future__ import annotations

import collections
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
from pyarrow import compute, csv, parquet

from automl.data import cells
from automl.data.cells import Cells
from automl.data.number_texts import DECIMAL, dots_may_group
from automl.data.reading import PARQUET, existing, listed, visible_files
from automl.data.text_files import (
    DELIMITERS,
    TextBytes,
    check_encoding,
    delimiter_of,
    ending,
    records,
)
from automl.errors import UserError

ENDINGS = (*DELIMITERS, *PARQUET)
_UNNAMED = re.compile(r"|Unnamed: \d+(\.\d+)?")
_INDEX_LEVEL = re.compile(r"__index_level_\d+__")
_EMPTY = ("column {} is left out: it is empty", "columns {} are left out: they are empty")
_INDEX = "column {!r} is left out: it is the index that pandas wrote beside the columns"


@dataclass(frozen=True, eq=False)
class TableFile:
    """A table as it was read: its columns by name, and the files in which its rows stand.

    `names` are those of the columns and of the dropped ones, in their order. `notes` tell what was
    left out, or read otherwise than it stands.
    """

    path: str
    names: Sequence[str]
    columns: Mapping[str, Cells]
    files: Sequence[tuple[Path, int]]
    notes: tuple[str, ...]

    @property
    def num_rows(self) -> int:
        return sum(count for _, count in self.files)

    def row_name(self, row: int) -> str:
        """Name the place of a row, for the user."""
        for path, count in self.files:
            if row < count:
                return _row_name(path, row)
            row -= count
        raise IndexError(row)


def read(
    path: str,
    keep: Collection[str] = (),
    drop: Collection[str] = (),
    before: TableFile | None = None,
    has_header: bool = True,
) -> TableFile:
    """A table without the columns to `drop`.

    Columns in `keep` are taken though they are an index. Those of a file with delimiters that has
    no header have their positions as names. Where `before` holds texts, there are
    texts, whatever they look like; its strays among numbers are missing values here, too. Raises
    UserError on what cannot be read.
    """
    files = _files(existing(path))
    parts, notes = [], []
    for file in files:
        table, left_out = _read(file, keep, has_header)
        parts.append(table)
        notes += [note for note in left_out if note not in notes]
    whole = _joined(path, files, parts)
    if not whole.num_rows:
        raise UserError(f"{path} holds no rows; add some")
    names = [name for name in whole.column_names if name not in drop]
    found = _cells(path, whole.select(names), files[0], before.columns if before else {})
    rows = [(file, part.num_rows) for file, part in zip(files, parts, strict=True)]
    notes += [note for column in found.values() for note in column.notes]
    return TableFile(path, whole.column_names, found, rows, tuple(notes))


def first_line(path: str) -> list[str]:
    """The fields of the first line of a table, where its names should be; none of Parquet."""
    file = _files(existing(path))[0]
    return [] if ending(file) in PARQUET else list(_header(file)[1])


def _header(path: Path) -> tuple[int, Sequence[str]]:
    """The first line that holds something: its number, and its fields."""
    return next(iter(records(path, delimiter_of(path))), (1, []))


def _files(path: Path) -> list[Path]:
    """The file, or the files of a folder of parts, all of one kind."""
    if not path.is_dir():
        if ending(path) not in ENDINGS:
            raise UserError(f"{path} is no .csv, .tsv or .parquet file; save it as one")
        return [path]
    files = [file for file in visible_files(path) if not file.name.startswith("_")]
    kinds = {ending(file) for file in files}
    if len(kinds) != 1 or not kinds < set(ENDINGS):
        held = ", ".join(sorted(kinds)) or "none"
        raise UserError(
            f"{path} is a folder; give the path of a file, or of a folder that holds only .csv, "
            f"only .tsv or only .parquet files (the endings there: {held})"
        )
    for file in files:
        if any("=" in folder.name for folder in file.relative_to(path).parents):
            raise UserError(
                f"{file} lies in a folder whose name is a value; write the table as one file"
            )
    return files


def _read(path: Path, keep: Collection[str], has_header: bool) -> tuple[pa.Table, list[str]]:
    """The columns of a file, texts where the file declares no types, and what was left out."""
    is_typed = ending(path) in PARQUET
    table, index = _parquet(path) if is_typed else _delimited(path, has_header)
    read_cells = cells.declared if is_typed else cells.as_texts
    names, kept, empty, left_out = table.column_names, [], [], []
    counts = collections.Counter(name for name in names if name or name in keep)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise UserError(f"{path} holds two columns {twice[0]!r}; rename one")
    for position, name in enumerate(names):
        is_unnamed = position == 0 and _UNNAMED.fullmatch(name)
        if name in keep:
            kept.append(position)
        elif name in index or is_unnamed or _INDEX_LEVEL.fullmatch(name):
            left_out.append(_INDEX.format(name))
        elif name:
            kept.append(position)
        elif read_cells(table.column(position)).missing().all():
            empty.append(str(position + 1))
        else:
            raise UserError(_nameless(path, position + 1))
    if empty:
        left_out.append(_EMPTY[len(empty) > 1].format(listed(empty)))
    return table.select(kept), left_out


def _nameless(path: Path, number: int) -> str:
    """The sentence on a column of values that has no name."""
    told = f"column {number} of {path} has no name; give it one"
    if ending(path) in PARQUET:
        return told
    return f"{told} in line {_header(path)[0]}, or remove what stands above the line of names"


def _parquet(path: Path) -> tuple[pa.Table, list[str]]:
    """The columns of a Parquet file, and the names of those that are pandas' index."""
    try:
        table = parquet.ParquetFile(path, memory_map=True).read()
        about = table.schema.pandas_metadata
        about = about if isinstance(about, dict) else {}
        table = table.rename_columns([name.strip() for name in table.column_names])
        index = [n.strip() for n in about.get("index_columns", ()) if isinstance(n, str)]
    except (pa.ArrowException, OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read: {why}; correct it or save it again") from None
    categories = {
        str(column.get("field_name") or column.get("name")).strip()
        for column in about.get("columns", ())
        if column.get("pandas_type") == "categorical"
    }
    for position, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        is_plain = not pa.types.is_dictionary(column.type) and not pa.types.is_temporal(column.type)
        if name in categories and is_plain:
            table = table.set_column(position, name, cells.spelled(column).dictionary_encode())
    return table, index


def _delimited(path: Path, has_header: bool) -> tuple[pa.Table, list[str]]:
    """The columns of a file with delimiters, all of texts."""
    delimiter = delimiter_of(path)
    line, header = _header(path)
    if not header:
        raise UserError(f"{path} is empty; give a file with a line of names and then rows")
    check = any("\udc80" <= letter <= "\udcff" for name in header for letter in name)
    if check:
        check_encoding(path)
    positions = [str(position) for position in range(len(header))]
    try:
        with TextBytes(path) as file:
            table = csv.read_csv(
                file,
                # Names may hold line breaks, which pyarrow counts as it counts rows.
                csv.ReadOptions(
                    column_names=positions, skip_rows_after_names=line - (not has_header)
                ),
                csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                csv.ConvertOptions(column_types=dict.fromkeys(positions, pa.string())),
            )
    except pa.ArrowException as error:
        check_encoding(path)
        check_fields(path, delimiter, len(header))
        why = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read: {why}; correct it or save it again") from None
    if any(_holds_quotes(column) for column in table.columns):
        collections.deque(records(path, delimiter, strict=True), maxlen=0)
    return table.rename_columns(list(map(_name, header)) if has_header else positions), []


def _holds_quotes(column: pa.ChunkedArray) -> bool:
    """True of texts with quotes or line breaks, as where a quote is not closed, or not doubled."""
    return bool(compute.any(compute.match_substring_regex(column, '["\r\n]')).as_py())


def _name(field: str) -> str:
    """A column's name without blanks, and quotes that blanks made part of it."""
    name = field.strip()
    return name[1:-1].strip() if len(name) > 1 and name[0] == name[-1] == '"' else name


def check_fields(path: Path, delimiter: str, num_fields: int) -> None:
    """Raise UserError at the first line that has more or fewer fields than the header."""
    for line, fields in records(path, delimiter):
        if len(fields) != num_fields:
            raise UserError(
                f"line {line} of {path} has {len(fields)} fields where the header has "
                f"{num_fields}; quote values that hold the delimiter {delimiter!r}"
            )


def _joined(path: str, files: Sequence[Path], parts: Sequence[pa.Table]) -> pa.Table:
    """The rows of all parts. Raises UserError where their columns differ."""
    names = parts[0].column_names
    for file, part in zip(files, parts, strict=True):
        for name in sorted({*names} ^ {*part.column_names}):
            raise UserError(
                f"column {name!r} is not in both {files[0]} and {file}; make them alike"
            )
    try:
        return pa.concat_tables([p.select(names) for p in parts], promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(f"the parts in {path} hold columns of unlike types: {error}") from None


def _cells(
    path: str, table: pa.Table, first: Path, before: Mapping[str, Cells]
) -> dict[str, Cells]:
    """The columns with their kinds."""
    found = {}
    delimiter = "" if ending(first) in PARQUET else delimiter_of(first)
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            if not delimiter:
                found[name] = cells.declared(column)
            elif name in before and before[name].kind == "texts":
                found[name] = cells.as_texts(column)
            else:
                found[name] = cells.typed(name, column, delimiter, before.get(name))
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
        except pa.ArrowInvalid as error:
            why = " ".join(str(error).split())
            raise UserError(
                f"{path}: column {name!r} holds texts that are not UTF-8 ({why}); write them anew"
            ) from None
    if any(one.commas == DECIMAL for one in found.values()):
        for name, column in zip(table.column_names, table.columns, strict=True):
            is_open = found[name].kind == "numbers" and not found[name].commas
            if is_open and (text := cells.grouped_by_dots(column)):
                raise UserError(f"{path}: {dots_may_group(name, text)}")
    return found


def _row_name(path: Path, row: int) -> str:
    if ending(path) in PARQUET:
        return f"row {row} (counted from 0) of {path}"
    line, _ = next(islice(records(path, delimiter_of(path)), row + 1, None))
    return f"line {line} of {path}"
