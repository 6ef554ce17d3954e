"""Text files as people have them: packed or not, in UTF-8, with fields between delimiters."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path

from automl.errors import UserError

DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": ",", ".data": ","}
"""The endings of files with delimiters, and the delimiter that each stands for."""
COMMENTS = ("#", "%")
"""The beginnings of lines of series that are comments."""
OTHER_DELIMITERS = (",", ";", "\t", "|", " ")
SAMPLE_RECORDS, SAMPLE_BYTES = 100, 1 << 16
_UNPACK: dict[bytes, Callable[[Path], io.BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
_PACKED = (".gz", ".bz2", ".xz")
_OTHER_FILES = {
    b"\xff\xfe": "is UTF-16, as Excel writes Unicode text; save it as UTF-8",
    b"\xfe\xff": "is UTF-16, as Excel writes Unicode text; save it as UTF-8",
    b"PK\x03\x04": "is a zip archive or an Excel file; unpack it, or save the sheet as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "is an Excel file; save the sheet as CSV UTF-8",
    b"\x28\xb5\x2f\xfd": "is packed by zstd; unpack it",
    b"PAR1": "is a Parquet file; give it the ending .parquet",
}
_SEPARATOR_LINE = re.compile("sep=.?", re.I)
"""The first line by which Excel is told the delimiter."""
DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)
"""What reading a damaged packed file raises."""


def ending(path: Path) -> str:
    """The ending of a file's name in small letters, that of packing not counted: ".csv" of
    "A.CSV.gz"."""
    name = path.name.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return Path(name).suffix


class TextBytes(io.RawIOBase):
    """The bytes of a text file, unpacked where it is packed.

    Raises UserError on a file that is damaged, in another encoding, or no text at all. No piece
    ends between CR and LF, where pyarrow would lose the LF of a quoted text.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            head = file.read(8)
        packed = next((start for start in _UNPACK if head.startswith(start)), b"")
        self._file: io.BufferedIOBase = _UNPACK.get(packed, _plain)(path)
        try:
            head = self._read(SAMPLE_BYTES)
            self._file.seek(0)
            self._check(head)
        except BaseException:
            self._file.close()
            raise

    def _check(self, head: bytes) -> None:
        for start, what in _OTHER_FILES.items():
            if head.startswith(start):
                raise UserError(f"{self.path} {what}")
        if b"\0" in head:
            raise UserError(
                f"{self.path} holds zero bytes: it is no text, or UTF-16; save it as UTF-8"
            )

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except DAMAGED as error:
            raise UserError(
                f"{self.path} does not unpack ({error}); pack or download it again"
            ) from None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = self._read(max(1, len(buffer) - 1))
        if piece.endswith(b"\r") and len(piece) < len(buffer):
            piece += self._read(1)
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()


def _plain(path: Path) -> io.BufferedIOBase:
    return path.open("rb")


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file by number. Bytes that are not UTF-8 come as surrogates."""
    with io.TextIOWrapper(
        io.BufferedReader(TextBytes(path)), "utf-8-sig", errors="surrogateescape"
    ) as file:
        yield from enumerate(file, 1)


def written_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines, by number and without blanks around them, that hold more than a comment."""
    for line, text in text_lines(path):
        # A tab at an end may part an empty field.
        if (text := text.strip("\r\n ")).strip() and not text.startswith(COMMENTS):
            yield line, text


def fields_of_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The fields of the same lines, between the first of tabs, semicolons and commas that the
    first line has, else between blanks."""
    delimiter: str | None = ""
    for line, text in written_lines(path):
        if delimiter == "":
            delimiter = next((one for one in ("\t", ";", ",") if one in text), None)
        yield line, [field.strip() for field in text.split(delimiter)]


def is_array_header(fields: Sequence[str]) -> bool:
    """True of 0, 1, 2 and so on, as pandas heads the columns of an array. Rows hardly begin so."""
    return len(fields) > 1 and list(fields) == [str(place) for place in range(len(fields))]


def records(path: Path, delimiter: str, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """The number of the first line and the fields of every record that is not blank.

    A quoted field may hold newlines. Bytes that are not UTF-8 come as surrogates. With `strict`,
    raises UserError on quotes that make other fields than their writer meant.
    """
    csv.field_size_limit(2**31 - 1)
    with io.TextIOWrapper(
        io.BufferedReader(TextBytes(path)), "utf-8-sig", errors="surrogateescape", newline=""
    ) as file:
        reader, line = csv.reader(file, delimiter=delimiter, strict=strict), 1
        try:
            for fields in reader:
                if fields and not (line == 1 and _SEPARATOR_LINE.fullmatch("".join(fields))):
                    yield line, fields
                line = reader.line_num + 1
        except csv.Error as error:
            raise UserError(
                f"line {line} of {path} holds a quote that is not closed, or single inside a "
                f"quoted field ({error}); close it, or double it"
            ) from None


def table(
    path: Path, names: Collection[str] = ()
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header of a table, and the number of the first line and the fields of each row below;
    `names` are of columns that should be there.

    Raises UserError on quotes as `records` does, and while rows are read, on one that has more or
    fewer fields than the header.
    """
    delimiter = delimiter_of(path, names)
    lines = records(path, delimiter, strict=True)
    _, header = next(lines, (1, []))

    def rows() -> Iterator[tuple[int, list[str]]]:
        for line, fields in lines:
            if len(fields) != len(header):
                raise UserError(
                    f"line {line} of {path} has {len(fields)} fields where the header has "
                    f"{len(header)}; quote texts that hold the delimiter {delimiter!r}"
                )
            yield line, fields

    return header, rows()


def delimiter_of(path: Path, names: Collection[str] = ()) -> str:
    """The delimiter of a file's fields.

    That which finds these `names` in the header, if any are given and one does: the only column
    of a file may have a blank in its name. Else that of the file's ending, if it cuts the first
    records into equally many fields, more than one; else another that does; else that which cuts
    the header into the most.
    """
    usual = DELIMITERS[ending(path)]
    candidates = sorted(OTHER_DELIMITERS, key=lambda one: one != usual)
    for one in candidates if names else ():
        _, header = next(records(path, one), (1, []))
        if set(names) <= {name.strip() for name in header}:
            return one
    sizes = {one: _num_fields(path, one) for one in candidates}
    alike = [one for one in candidates if sizes[one] and set(sizes[one]) == {max(sizes[one])}]
    several = [one for one in alike if sizes[one][0] > 1]
    return several[0] if several else max(candidates, key=lambda one: sum(sizes[one][:1]))


def _num_fields(path: Path, delimiter: str) -> list[int]:
    """The number of fields of each of the first records."""
    return [len(fields) for _, fields in islice(records(path, delimiter), SAMPLE_RECORDS)]


def check_encoding(path: Path) -> None:
    """Raise UserError at the first line that is not UTF-8."""
    for line, text in text_lines(path):
        if not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text):
            raise UserError(f"line {line} of {path} is not UTF-8; save the file in that encoding")
