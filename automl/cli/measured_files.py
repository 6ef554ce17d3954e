"""Files measured with their quality, as `automl measure` prints and draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl.cli import render
from automl.cli.parameters import home_of
from automl.errors import UserError

if TYPE_CHECKING:
    from automl.engine.measured import MeasuredFiles

QUALITY = "Quality"
OWN = "yours"


@dataclass(frozen=True)
class Beside:
    """The files to measure with their quality: on data with a target, or beside a search's front,
    drawn into a picture."""

    files: tuple[Path, ...]
    data: str | None
    target: str | None
    search: str | None
    picture: Path | None

    @property
    def is_wanted(self) -> bool:
        return any((self.data, self.target, self.search, self.picture))

    def check(self, is_plain: bool) -> None:
        """Raise UserError on wishes that do not go together."""
        if self.data and self.search:
            raise UserError("--data and --search exclude one another: a search has rows of its own")
        if self.target and not self.data:
            raise UserError("--target names a column of --data; give that, too")
        if self.picture and not self.search:
            raise UserError("--picture draws files beside a front; name its search with --search")
        if not is_plain:
            raise UserError(
                "--data measures on one thread here, --search on the search's own runtimes; leave "
                "--provider, --threads, --batch, --over, --python and --browser out"
            )


def show_beside(asked: Beside, is_plain: bool, home: Path | None, as_json: bool) -> None:
    """Measure, draw and print what was asked for. Raises UserError."""
    from automl.engine import measured, searches
    from automl.engine.wishes import OwnData
    from automl.tracking.pages import files as pages
    from automl.tracking.pages.profile_picture import check_picture, save

    asked.check(is_plain)
    if asked.picture is not None:
        check_picture(asked.picture)
    if asked.data is not None:
        found = measured.on_data(asked.files, asked.data, OwnData(target=asked.target))
    else:
        assert asked.search is not None
        place = home_of(home)
        search = searches.Search(searches.open_study(place, asked.search), place)
        found = measured.beside_front(asked.files, search)
        if asked.picture is not None:
            yours = {Path(name).name: own.figures for name, own in found.files.items()}
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
