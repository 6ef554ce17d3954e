"""The layout of a search's folder: where its trials are, in which version, and its settings."""

from __future__ import annotations

from automl.config import decode
from automl.errors import UserError
from automl.study.record import Settings
from automl.study.stored_record import Json

JOURNAL, DATABASE = "journal.log", "database.json"
SCHEMA_VERSION = 2
"""The layout of what is stored of a search; a search of another layout is refused."""


class EarlierVersion(UserError):
    """A search that an earlier version made."""


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
