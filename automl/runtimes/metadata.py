"""Metadata of a file: what an export tells there of the rows that it takes, and of its answers.

Files from elsewhere may have metadata of these names and of another form, which tell nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True)
class Metadata:
    """The `classes` in the order of the logits, a table's `columns`, each with its categories, and
    the `length` of the longest text; none, none and 0 where they are not told."""

    classes: tuple[str, ...]
    columns: dict[str, list[str]]
    length: int


def metadata(loaded: InferenceSession) -> Metadata:
    """The metadata of a loaded file."""
    held = loaded.get_modelmeta().custom_metadata_map
    classes, columns, length = (_value(held.get(n, "")) for n in ("classes", "columns", "length"))
    return Metadata(
        classes=tuple(classes) if _are_texts(classes) else (),
        columns=columns if _are_columns(columns) else {},
        length=length if type(length) is int else 0,
    )


def _value(text: str) -> object:
    """The value that a text is the JSON of; None of any other text."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    return value


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _are_columns(value: object) -> TypeGuard[dict[str, list[str]]]:
    return isinstance(value, dict) and all(map(_are_texts, value.values()))
