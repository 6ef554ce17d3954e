"""The columns of a table with their kinds: numbers, booleans, texts, or what cannot be learned."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, types

from automl.errors import UserError

MISSING = (
    *("", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "#N/A N/A", "null", "NULL", "Null"),
    *("nan", "NaN", "NAN", "-nan", "-NaN", "NaT", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)
"""Fields that are missing values in a column of any kind."""
MISSING_NUMBERS = (
    *("?", "-", "--", ".", "*", "none", "missing", "unknown", "na", "n.a.", "tbd"),
    *("#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!"),
)
"""Texts, in small letters, that are missing values among numbers."""
MAX_STRAYS, MAX_STRAY_SHARE, MIN_NUMBERS = 5, 0.1, 20
"""Other texts among numbers are missing values too, if they are few and the numbers many."""
SAMPLE = 1000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.I)
_DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+(e[+-]?\d+)?", re.ASCII | re.I)
_GROUPED_BY_COMMAS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", re.ASCII)
_GROUPED_BY_DOTS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+", re.ASCII)
_WHEN = (
    r"^(\d{4}[-/.]\d\d?[-/.]\d\d?([T ].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}( .*)?"
    r"|\d{1,2}:\d\d(:\d\d(\.\d+)?)?)$"
)
_DECLARED: dict[str, tuple[Callable[[pa.DataType], bool], ...]] = {
    "booleans": (types.is_boolean,),
    "integers": (types.is_integer,),
    "numbers": (types.is_floating, types.is_decimal),
    "texts": (types.is_string, types.is_large_string, types.is_string_view),
    "dates or times": (types.is_temporal,),
    "only missing values": (types.is_null,),
    "bytes that are no UTF-8 text": (types.is_binary, types.is_large_binary),
}
NUMERIC = ("booleans", "integers", "numbers")


@dataclass(frozen=True, eq=False)
class Cells:
    """The values of a column and their kind, as the user would say it; missing ones are null.

    `notes` tell what was read otherwise than it stands; `has_decimal_commas` that "1,5" is 1.5,
    `strays` which texts among numbers count as missing.
    """

    kind: str
    values: pa.ChunkedArray
    notes: tuple[str, ...] = ()
    has_decimal_commas: bool = False
    strays: tuple[str, ...] = ()

    def missing(self) -> NDArray[np.bool_]:
        """True of each row without a value."""
        found: NDArray[np.bool_] = compute.is_null(self.values, nan_is_null=True).to_numpy()
        return found


def declared(column: pa.ChunkedArray) -> Cells:
    """A column of a file that declares types; a dictionary's values are categories.

    Raises ArrowInvalid on texts that are not UTF-8.
    """
    column.validate(full=True)
    is_category = types.is_dictionary(column.type)
    if is_category:
        column = column.cast(column.type.value_type)
    found = (kind for kind, tests in _DECLARED.items() if any(is_a(column.type) for is_a in tests))
    kind = next(found, f"values of the type {column.type}")
    if kind == "texts" or (is_category and kind in NUMERIC):
        return Cells("texts", _stripped(column.cast(pa.string()), ("",)))
    return Cells(kind, column)


def as_texts(column: pa.ChunkedArray) -> Cells:
    """A column of texts, whatever they look like."""
    return Cells("texts", _stripped(column, MISSING))


def typed(
    name: str, column: pa.ChunkedArray, delimiter: str = ",", strays: Collection[str] = ()
) -> Cells:
    """A column of texts by what all of them are; `strays` among numbers are known to be missing.

    Raises UserError where that cannot be told.
    """
    texts = _stripped(column, MISSING)
    if texts.null_count == len(texts):
        return Cells("only missing values", texts)
    # Arrow reads 0x1F as an integer; to people it is a code.
    is_hex = compute.any(compute.match_substring_regex(texts, "^[+-]?0[xX]")).as_py()
    for kind, numbers in (("integers", pa.int64()), ("numbers", pa.float64())):
        try:
            if not is_hex:
                return Cells(kind, texts.cast(numbers))
        except pa.ArrowInvalid:
            continue
    if compute.all(compute.match_substring_regex(texts, r"(?i)^(true|false)$")).as_py():
        return Cells("booleans", compute.utf8_lower(texts).cast(pa.bool_()))
    if compute.all(compute.match_substring_regex(texts, _WHEN)).as_py():
        return Cells("dates or times", texts)
    return _among_texts(name, texts, delimiter, strays) or Cells("texts", texts)


def _stripped(texts: pa.ChunkedArray, missing: tuple[str, ...]) -> pa.ChunkedArray:
    """Texts without blanks around them, nor quotes that stand around each; null where missing."""
    texts = compute.utf8_trim_whitespace(texts)
    quoted = compute.match_substring_regex(texts, r'(?s)^".*"$')
    if compute.all(quoted).as_py() and texts.null_count < len(texts):
        texts = compute.utf8_trim_whitespace(compute.utf8_slice_codeunits(texts, 1, -1))
    is_missing = compute.is_in(texts, value_set=pa.array(missing))
    return compute.if_else(is_missing, pa.scalar(None, texts.type), texts)


def _among_texts(
    name: str, texts: pa.ChunkedArray, delimiter: str, known: Collection[str]
) -> Cells | None:
    """Texts that are numbers but for their commas or a few strays, as numbers; else None."""
    counted = compute.value_counts(texts.drop_null())
    spelled = counted.field("values")
    sample = spelled[:SAMPLE].to_pylist()
    if sum(any(form.fullmatch(t) for form in _FORMS) for t in sample) < len(sample) / 2:
        return None
    rows = dict(zip(spelled.to_pylist(), counted.field("counts").to_pylist(), strict=True))
    read, note = _commas(name, list(rows), delimiter)
    numbers = {text: read(text) for text in rows}
    strays = {text: rows[text] for text, number in numbers.items() if number is None}
    others = {text: count for text, count in strays.items() if text not in known}
    if not _may_be_missing(others, rows, len(set(numbers.values()))):
        return None
    values = pa.array([numbers[text] for text in rows], pa.float64())
    column = compute.take(values, compute.index_in(texts, value_set=spelled))
    notes = [f"column {name!r}: {note}"] * bool(note)
    if strays:
        shown = ", ".join(repr(text) for text in list(strays)[:MAX_STRAYS])
        notes.append(
            f"column {name!r}: {sum(strays.values()):,} of {len(texts):,} rows hold {shown} among "
            "numbers; they count as missing values"
        )
    return Cells(
        "numbers", _chunked(column), tuple(notes), note.startswith(_DECIMAL), tuple(strays)
    )


_FORMS = (_NUMBER, _DECIMAL_COMMA, _GROUPED_BY_COMMAS)
_DECIMAL = "a comma is the decimal mark"


def _chunked(column: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def _may_be_missing(strays: Mapping[str, int], rows: Mapping[str, int], num_numbers: int) -> bool:
    """True if texts among numbers are no categories of their own, but missing values."""
    others = [text for text in strays if text.lower() not in MISSING_NUMBERS]
    share = sum(strays[text] for text in others) / sum(rows.values())
    few = len(others) <= MAX_STRAYS and share <= MAX_STRAY_SHARE and num_numbers > MIN_NUMBERS
    return len(strays) < len(rows) and (few or not others)


def _commas(
    name: str, texts: list[str], delimiter: str
) -> tuple[Callable[[str], float | None], str]:
    """The way to make a number of a text, by what commas mean in a column, and that in words."""
    with_commas = [text for text in texts if "," in text]
    decimal = [text for text in with_commas if _DECIMAL_COMMA.fullmatch(text)]
    grouped = [text for text in with_commas if _GROUPED_BY_COMMAS.fullmatch(text)]
    if not decimal and not grouped:
        return _plain_number, ""
    only_decimal, only_grouped = set(decimal) - set(grouped), set(grouped) - set(decimal)
    if only_decimal and only_grouped:
        return _plain_number, ""
    if only_grouped:
        text = min(only_grouped)
        return _number_in_groups, f"a comma groups thousands, {text} is {_number_in_groups(text):g}"
    if only_decimal or delimiter == ";":
        text = min(only_decimal or decimal)
        return _number_after_comma, f"{_DECIMAL}, {text} is {_number_after_comma(text):g}"
    raise UserError(
        f"column {name!r} holds numbers such as {decimal[0]!r}, in which the comma may be a "
        "decimal mark or group thousands; write them without commas"
    )


def _plain_number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _number_in_groups(text: str) -> float | None:
    if _GROUPED_BY_COMMAS.fullmatch(text):
        return float(text.replace(",", ""))
    return _plain_number(text)


def _number_after_comma(text: str) -> float | None:
    """A number whose decimal mark is a comma; a dot can only group thousands."""
    if _DECIMAL_COMMA.fullmatch(text):
        return float(text.replace(".", "").replace(",", "."))
    if _GROUPED_BY_DOTS.fullmatch(text):
        return float(text.replace(".", ""))
    return None if "." in text else _plain_number(text)


def is_grouped_by_dots(texts: pa.ChunkedArray) -> bool:
    """True of texts that are all like 1.234: a number below ten, or one in groups of thousands."""
    known = _stripped(texts, MISSING).drop_null()
    pattern = f"^{_GROUPED_BY_DOTS.pattern}$"
    return len(known) > 0 and bool(compute.all(compute.match_substring_regex(known, pattern)))
