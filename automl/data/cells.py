"""The columns of a table with their kinds: numbers, booleans, texts, or what cannot be learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, types

from automl.data.number_texts import (
    FORMS,
    GROUPED_BY_DOTS,
    HAS_MARK,
    MISSING,
    MISSING_NUMBERS,
    NO_COMMAS,
    NUMBER_OF,
    meaning_of_commas,
    number_as_text,
)

MAX_STRAYS, MAX_STRAY_SHARE, MIN_NUMBERS = 5, 0.1, 20
"""Other texts among numbers are missing values too, if they are few and the numbers many."""
SAMPLE = 1000
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

    `notes` tell what was read otherwise than it stands, `commas` what these mean in the numbers,
    `strays` which texts among numbers count as missing.
    """

    kind: str
    values: pa.ChunkedArray
    notes: tuple[str, ...] = ()
    commas: str = NO_COMMAS
    strays: tuple[str, ...] = ()

    def missing(self) -> NDArray[np.bool_]:
        """True of each row without a value."""
        found: NDArray[np.bool_] = compute.is_null(self.values, nan_is_null=True).to_numpy()
        return found

    def lone_value(self) -> str:
        """The text of the value of a column that holds one and, in other rows, nothing; "" of any
        other column."""
        known = self.values.filter(pa.array(~self.missing()))
        if self.kind not in (*NUMERIC, "texts") or not 0 < len(known) < len(self.values):
            return ""
        different = compute.unique(known)
        if len(different) > 1:
            return ""
        value = different[0].as_py()
        if isinstance(value, bool):
            return str(value).lower()
        return number_as_text(value) if isinstance(value, float) else str(value)


def lone_number(value: str) -> str:
    """The sentence on numbers or booleans with one value and else nothing, without its subject.

    A missing number becomes the mean of its column, so a network would see the same in every row.
    """
    others = {"true": "false", "false": "true", "0": "1"}
    return f"holds {value} or nothing; write {others.get(value, '0')} where nothing stands"


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
        return Cells("texts", _stripped(spelled(column), ("",)))
    return Cells(kind, _widened(column))


def spelled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Categories as texts; numbers as `predict` spells them, which is not always Arrow's way."""
    if not types.is_floating(column.type):
        return column.cast(pa.string())
    numbers = compute.unique(_widened(column)).drop_null()
    texts = pa.array([number_as_text(number) for number in numbers.to_pylist()], pa.string())
    return _chunked(compute.take(texts, compute.index_in(_widened(column), value_set=numbers)))


def _widened(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without numbers of half precision, with which Arrow computes little."""
    return column.cast(pa.float32()) if types.is_float16(column.type) else column


def as_texts(column: pa.ChunkedArray) -> Cells:
    """A column of texts, whatever they look like."""
    return Cells("texts", _stripped(column, MISSING))


def typed(
    name: str, column: pa.ChunkedArray, delimiter: str = ",", before: Cells | None = None
) -> Cells:
    """A column of texts by what all of them are; the strays and commas among the numbers of the
    same column in an earlier file, `before`, mean the same here.

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
    return _among_texts(name, texts, delimiter, before) or Cells("texts", texts)


def _stripped(texts: pa.ChunkedArray, missing: tuple[str, ...]) -> pa.ChunkedArray:
    """Texts without blanks around them, nor quotes that stand around each; null where missing."""
    texts = compute.utf8_trim_whitespace(texts)
    quoted = compute.match_substring_regex(texts, r'(?s)^".*"$')
    if compute.all(quoted).as_py() and texts.null_count < len(texts):
        texts = compute.utf8_trim_whitespace(compute.utf8_slice_codeunits(texts, 1, -1))
    is_missing = compute.is_in(texts, value_set=pa.array(missing))
    return compute.if_else(is_missing, pa.scalar(None, texts.type), texts)


def _among_texts(
    name: str, texts: pa.ChunkedArray, delimiter: str, before: Cells | None
) -> Cells | None:
    """Texts that are numbers but for their commas or a few strays, as numbers; else None."""
    counted = compute.value_counts(texts.drop_null())
    spelled = counted.field("values")
    sample = spelled[:SAMPLE].to_pylist()
    if sum(any(form.fullmatch(t) for form in FORMS) for t in sample) < len(sample) / 2:
        return None
    rows = dict(zip(spelled.to_pylist(), counted.field("counts").to_pylist(), strict=True))
    known, known_commas = (before.strays, before.commas) if before else ((), NO_COMMAS)
    meaning, note = meaning_of_commas(name, rows, delimiter, known_commas)
    numbers = {text: NUMBER_OF[meaning](text) for text in rows}
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
    return Cells("numbers", _chunked(column), tuple(notes), meaning, tuple(strays))


def _chunked(column: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def _may_be_missing(strays: Mapping[str, int], rows: Mapping[str, int], num_numbers: int) -> bool:
    """True if texts among numbers are no categories of their own, but missing values."""
    others = [text for text in strays if text.lower() not in MISSING_NUMBERS]
    share = sum(strays[text] for text in others) / sum(rows.values())
    few = len(others) <= MAX_STRAYS and share <= MAX_STRAY_SHARE and num_numbers > MIN_NUMBERS
    return len(strays) < len(rows) and (few or not others)


def grouped_by_dots(texts: pa.ChunkedArray) -> str:
    """The first number with a dot, where each of these is like 1.234: a number below ten, or one
    in thousands. "" where another tells that dots are decimal marks, and where none has a dot."""
    marked = texts.filter(compute.match_substring_regex(texts, HAS_MARK))
    dotted = marked.filter(compute.match_substring(marked, "."))
    known = _stripped(dotted, MISSING).drop_null()
    pattern = f"^{GROUPED_BY_DOTS.pattern}$"
    may_group = len(known) > 0 and compute.all(compute.match_substring_regex(known, pattern))
    return known[0].as_py() if may_group and may_group.as_py() else ""
