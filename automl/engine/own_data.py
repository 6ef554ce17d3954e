"""Data of one's own: found out, and written as the text of a space that fits it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from automl import quality
from automl.data import dataset as datasets
from automl.data import detect
from automl.data.detected import Wanted
from automl.engine import presets, space_text
from automl.engine.wishes import OwnData
from automl.errors import UserError, unknown
from automl.home import Home, make_writable

TASKS = ("classification", "regression")


@dataclass(frozen=True)
class OwnSpace:
    """The space for data: its text, and lines that tell what was found in the data."""

    text: str
    told: tuple[str, ...]


def space_for(path: str, given: OwnData, home: Home) -> OwnSpace:
    """The space for a file or folder of data, which `search` runs and `init` writes.

    The rows are kept in the home's cache. Raises UserError where data or wishes do not fit, and
    on a folder that the home lies in.
    """
    if given.task not in (None, *TASKS):
        raise UserError(unknown("task", str(given.task), list(TASKS)))
    _check_outside(path, home)
    preset, word = presets.preset(given.preset), given.preset or presets.DEFAULT
    wanted = Wanted(given.target or "", given.task or "", preset.picture_side)
    found = detect.detect(path, wanted)
    make_writable(home)
    data = datasets.load(found.dataset, 0, home.cache)
    metric, why = quality.usual(data.info.class_counts)
    # The first line is the dataset's text, which stands in the space.
    summary = datasets.summary(found.dataset, 0, home.cache).text().splitlines()[1:]
    told = (
        *found.told,
        *summary,
        f"objectives: {', '.join((metric, *preset.file_figures))} ({why})",
        f"preset: {word}, {preset.purpose}",
    )
    title = f"A space for {path}, as `automl init` writes it: edit it, then `automl search` it."
    return OwnSpace(space_text.write(found.dataset, data, preset, [title, "", *told]), told)


def _check_outside(path: str, home: Home) -> None:
    """Raise UserError on a folder of data with the home inside: searches would change the data."""
    if Path(path).resolve() in (home.path.resolve(), *home.path.resolve().parents):
        raise UserError(
            f"{path} is a folder with the home {home.path} inside, where searches write; give a "
            "--home outside of it, or move the data to a folder of their own"
        )
