"""Texts as bytes: whole characters of UTF-8, zeros after the end."""

from __future__ import annotations

from automl.errors import UserError


def checked(text: object, where: str) -> str:
    """The text. Raises UserError, naming the line, where there is none."""
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"{where} has no text; fill or remove it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(f"{where} is not UTF-8; save the file in that encoding") from None
    return text


def text_bytes(text: str, length: int) -> bytes:
    """The first `length` bytes of a text, whole characters only, with zeros up to `length`."""
    return text.encode()[:length].decode(errors="ignore").encode().ljust(length, b"\0")
