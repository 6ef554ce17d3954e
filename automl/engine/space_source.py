"""The space of a search: of a file, a shipped one, an object, or written for own data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from automl import conditions
from automl.data import dataset as datasets
from automl.data import detect
from automl.data.archive import ARCHIVES
from automl.engine import own_data
from automl.engine.wishes import OwnData
from automl.errors import UserError
from automl.home import Home
from automl.space import space_file, space_object
from automl.space.exploring import Explored
from automl.space.space import Space

NAME_OF_OBJECT = "space"


@dataclass(frozen=True)
class SpaceSource:
    """The text of a space, the name for searches of it, and where it stands, for sentences.

    `told` are lines on what was found in own data; there are none of other spaces.
    """

    text: str
    name: str
    where: str
    told: tuple[str, ...] = ()

    @property
    def is_own_data(self) -> bool:
        return bool(self.told)


def source(
    given: str | Path | Space, wishes: OwnData, home: Home, until: str | None = None
) -> SpaceSource:
    """The space that was given, or the one that fits the data that was given.

    The text of a `Space` imports the metrics that the goal `until` names, too. Raises UserError
    where there is neither space nor data, and on wishes for data that there is not.
    """
    if isinstance(given, Space):
        goal = [condition.figure for condition in conditions.parse_any(until)]
        found = SpaceSource(space_object.as_text(given, goal), NAME_OF_OBJECT, "the Space")
    elif is_own_data(str(given)):
        own = own_data.space_for(str(given), wishes, home)
        return SpaceSource(own.text, name_of(Path(given)), str(given), own.told)
    else:
        path = space_file.find(str(given))
        found = SpaceSource(space_file.read(path), path.stem, str(path))
    if flag := wishes.first_given():
        raise UserError(f"{flag} is for data, and {found.where} is a space; leave it out")
    return found


def told_of_data(source: SpaceSource, explored: Explored, cache: Path) -> tuple[str, ...]:
    """Lines on what was read: of own data what was found in it, of a space's a summary."""
    if source.told:
        return source.told
    found = datasets.summaries([(one.dataset, one.seed) for one in explored.configs], cache)
    return tuple(line for one in found for line in one.short_text().splitlines())


def is_own_data(given: str) -> bool:
    """True of the path of data; a shipped space of that name comes first."""
    return given not in space_file.shipped() and detect.is_data(given)


def name_of(path: Path) -> str:
    """The name of a file or folder without its ending, fit for a search."""
    name = path.resolve().name
    ending = next((e for e in ARCHIVES if name.lower().endswith(e)), Path(name).suffix)
    stem = name.removesuffix(name[len(name) - len(ending) :]) if path.is_file() else name
    return re.sub(r"[^A-Za-z0-9_.-]+|^[^A-Za-z0-9]+", "-", stem).strip("-._")[:90] or "data"
