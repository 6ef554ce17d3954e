"""Standard streams of any encoding, whose reader may go at any time: that is no fault."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


def open_missing() -> None:
    """Have standard streams that were closed before the start take what is written to them."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def replace_unknown() -> None:
    """Have standard output write "?" for what its encoding, such as latin-1, has no character for:
    a table's frame is worth no error. The name of a file that is no UTF-8 is written as it is."""
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        is_utf = stream.encoding.lower().startswith("utf")
        stream.reconfigure(errors="surrogateescape" if is_utf else "replace")


_for_objects: TextIO | None = None


@contextmanager
def kept_for_objects(is_asked: bool) -> Iterator[None]:
    """Keep standard output, if asked, for JSON objects: what else is written there, as by a user's
    space file, by native code or by a child process, goes to standard error."""
    global _for_objects
    if not is_asked:
        yield
        return
    own, _for_objects = sys.stdout, _taken_aside(sys.stdout)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        # The descriptor stays as it is: a user's module may write until the process has ended.
        sys.stdout, _for_objects = own, None


def _taken_aside(stream: TextIO) -> TextIO:
    """A stream to where a stream has led, which leads to standard error from then on."""
    stream.flush()
    try:
        number, errors = stream.fileno(), sys.stderr.fileno()
    except io.UnsupportedOperation:
        return stream  # It is no file, as in a test.
    kept = os.fdopen(os.dup(number), "w", encoding=stream.encoding, errors=stream.errors)
    os.dup2(errors, number)
    return kept


def write_object(value: object) -> None:
    """Write one JSON object on standard output."""
    print(json.dumps(value), file=_for_objects or sys.stdout, flush=True)


def hang_up(stream: TextIO) -> None:
    """Lose what is still written to a stream, its buffer included: its reader has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def flush() -> None:
    """Write what standard output still holds; exit 1, as after a failed print, if nobody reads."""
    stream = _for_objects or sys.stdout
    try:
        stream.flush()
    except BrokenPipeError:
        hang_up(stream)
        sys.exit(1)
