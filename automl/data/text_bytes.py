"""Texts as bytes: whole characters of UTF-8, zeros after the end."""

from __future__ import annotations

from automl.data.reading import check_unicode
from automl.errors import UserError


def checked(text: object, where: str) -> str:
    """The text. Raises UserError, naming the line, where there is none."""
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"{where} has no text; fill or remove it")
    check_unicode(text, where)
    if "\0" in text:
        raise UserError(f"{where} holds the character zero in its text; remove it")
    return text


def text_bytes(text: str, length: int) -> bytes:
    """The first `length` bytes of a text, whole characters only, with zeros up to `length`."""
    return text.encode()[:length].decode(errors="ignore").encode().ljust(length, b"\0")
