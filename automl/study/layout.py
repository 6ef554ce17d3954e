"""The layout of a search's folder: where its trials are, in which version, and its settings."""

from __future__ import annotations

import os
from pathlib import Path

from automl.config import decode
from automl.errors import UserError
from automl.study.record import Settings
from automl.study.stored_record import Json

JOURNAL, DATABASE = "journal.log", "database.json"
SCHEMA_VERSION = 2
"""The layout of what is stored of a search; a search of another layout is refused."""


class EarlierVersion(UserError):
    """A search that an earlier version made."""


class StudyGone(UserError):
    """A search whose list of trials is gone for good, from its folder or from a database."""

    def __init__(self, folder: Path) -> None:
        in_database = (folder / DATABASE).exists()
        where = "its database" if in_database else str(folder / JOURNAL)
        super().__init__(
            f"the trials of search {folder.name!r} are gone from {where}; put an earlier copy of "
            f"that back, or remove {folder}"
        )


def settings_of(attributes: Json, name: str) -> Settings:
    """The settings among a search's attributes.

    Raises EarlierVersion when the search is stored as an earlier version did.
    """
    if attributes.get("schema_version") != SCHEMA_VERSION:
        raise EarlierVersion(
            f"search {name!r} was made by an earlier version of automl, which alone "
            "can open it; start a new search, under another --name or in another --home"
        )
    settings: Settings = decode(attributes["settings"])
    return settings


def spoiled(folder: Path) -> UserError:
    """The error of a search of whose journal a whole line cannot be read."""
    return UserError(
        f"a line of {folder / JOURNAL} is no JSON, as a full disk or a crash may leave it; put an "
        f"earlier copy of {folder} in its place, or remove that folder"
    )


def drop_half_line(file: Path) -> None:
    """Drop half a line at a file's end, which a crash or a full disk has left: the next line would
    join it. A file whose last line is whole is not read, whatever its length."""
    if not file.exists():
        return
    with file.open("rb") as written:
        written.seek(max(0, file.stat().st_size - 1))
        if written.read() not in (b"", b"\n"):
            written.seek(0)
            os.truncate(file, written.read().rfind(b"\n") + 1)
