"""Standard streams of any encoding, whose reader may go at any time: that is no fault."""

from __future__ import annotations

import io
import os
import sys
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


def hang_up(stream: TextIO) -> None:
    """Lose what is still written to a stream, its buffer included: its reader has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def flush() -> None:
    """Write what standard output still holds; exit 1, as after a failed print, if nobody reads."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        hang_up(sys.stdout)
        sys.exit(1)
