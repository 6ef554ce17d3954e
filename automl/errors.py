"""Errors that users read: a mistake of theirs, and a trial that does not count."""

from __future__ import annotations

import difflib
import re
import traceback

COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LONGEST = 300
MAX_TRACEBACK = 20_000


class UserError(ValueError):
    """The user's mistake: one sentence that says what is wrong, where, and what to do."""


class Rejected(Exception):
    """A trial that ran but does not count, with the reason."""


def words(error: BaseException) -> str:
    """The words of an error behind the name of its class; a user's mistake is a sentence alone."""
    if isinstance(error, UserError):
        return str(error)
    name = type(error).__name__
    try:
        said = str(error).strip()
    except Exception as second:
        said = f"it cannot say why, its own words raise {type(second).__name__}"
    return f"{name}: {said}" if said else name


def traceback_of(error: BaseException) -> str:
    """The traceback of an error as text; of a very long one the end."""
    return "".join(traceback.format_exception(error))[-MAX_TRACEBACK:]


def alike(reason: str) -> str:
    """The first line of a reason with its numbers masked: equal of reasons that tell the same."""
    return re.sub(r"\d+(\.\d+)?", "0", reason.strip().partition("\n")[0])


def described(error: BaseException) -> str:
    """The words of an error as a part of a sentence: one line, without a terminal's colours."""
    line = " ".join(COLOURS.sub("", words(error)).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def unknown(what: str, name: str, known: list[str]) -> str:
    """The sentence for a name that is not known, with the nearest that is."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return f"unknown {what} {name!r}; {hint}"
