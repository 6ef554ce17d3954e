"""Files measured with their quality, as `automl measure` prints and draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from automl.cli import render
from automl.engine.declared_options import Shown
from automl.errors import UserError

if TYPE_CHECKING:
    from automl.engine.measured import MeasuredFiles
    from automl.home import Home

QUALITY = "Quality"


@dataclass(frozen=True)
class WithQuality:
    """The options that have the quality measured, too: on data with a target, or beside a
    search's front, drawn into a picture."""

    data: Annotated[
        str | None,
        Shown(
            QUALITY,
            "Measure the quality, too: on every row of this file or folder.",
            "none",
        ),
    ] = None
    target: Annotated[
        str | None,
        Shown(
            QUALITY,
            "The column of --data that is predicted.",
            "found by its name where it can be",
        ),
    ] = None
    search: Annotated[
        str | None,
        Shown(
            QUALITY,
            "Compare with the front of this search, on its validation rows.",
            "none",
            metavar="NAME",
        ),
    ] = None
    picture: Annotated[
        Path | None,
        Shown(
            QUALITY,
            "Draw the files beside the search's front into this file, .svg or .png.",
            "none",
        ),
    ] = None

    @property
    def is_wanted(self) -> bool:
        return any((self.data, self.target, self.search, self.picture))

    def check(self, is_usual: bool) -> None:
        """Raise UserError on options that do not go together; `is_usual` where none of the others
        says how files are run."""
        if self.data and self.search:
            raise UserError("--data and --search exclude one another: a search has rows of its own")
        if self.target and not self.data:
            raise UserError("--target names a column of --data; give that, too")
        if self.picture and not self.search:
            raise UserError("--picture draws files beside a front; name its search with --search")
        if not is_usual:
            raise UserError(
                "--data measures on one thread here, --search on the search's own runtimes; leave "
                "--provider, --threads, --batch, --over, --python and --browser out"
            )


def show_quality(files: tuple[Path, ...], asked: WithQuality, home: Home, as_json: bool) -> None:
    """Measure files with their quality, draw and print them. Raises UserError."""
    from automl.engine import measured, searches
    from automl.engine.wishes import OwnData
    from automl.tracking.pages import files as pages
    from automl.tracking.pages.profile_picture import check_picture, save

    if asked.picture is not None:
        check_picture(asked.picture)
    if asked.data is not None:
        found = measured.on_data(files, asked.data, OwnData(target=asked.target))
    else:
        assert asked.search is not None
        search = searches.Search(searches.open_study(home, asked.search), home)
        found = measured.beside_front(files, search)
        if asked.picture is not None:
            yours = {name: own.figures for name, own in found.files.items()}
            save(pages.front_with(search.study, yours), asked.picture)
    if as_json:
        render.as_json(found.as_json())
    else:
        _print(found)


def _print(found: MeasuredFiles) -> None:
    first = next(iter(found.files.values()))
    names = [*found.objectives] or [n for n in first.figures if n != "train_seconds"]
    own = [
        {"model": name, **_cells(names, one.figures, one.uncertainty)}
        for name, one in found.files.items()
    ]
    front = [
        {"model": f"trial {one.trial_id}", **_cells(names, one.values, one.uncertainty)}
        for one in found.front
    ]
    render.table([*own, *front])
    print(f"measured on {found.num_rows:,} rows: {found.rows}")
    for name, trial in (found.beaten_by or {}).items():
        said = (
            f"trial {trial} is better, and in nothing worse"
            if trial
            else "no model of the front beats it"
        )
        print(f"{name}: {said}")
    for note in found.notes:
        print(f"note: {note}")


def _cells(
    names: list[str], figures: Mapping[str, float], uncertainty: Mapping[str, float]
) -> dict[str, object]:
    """The cells of a row; a figure that a file does not have, as the time of its training, is –."""
    return {
        name: render.Measured(name, figures[name], uncertainty)
        if name in figures and not (name == "train_seconds" and not figures[name])
        else "–"
        for name in names
    }
