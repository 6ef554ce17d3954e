"""The space of a search that was made, and whether its data is still what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.errors import UserError
from automl.space import space_file
from automl.space.space import Space
from automl.study.overview import Overview

if TYPE_CHECKING:
    from automl.study.study import Study


def study_space(study: Overview) -> Space:
    """The space of a search, from its own copy of the file."""
    settings = study.settings
    return space_file.load(study.space_text, settings.fixed, settings.space_name, settings.folder)


def check_data(study: Study) -> None:
    """Raise UserError where a search's data is no longer what it was when the search began.

    Its trials have learned from rows that the changed data may hold for testing.
    """
    from automl.space.exploring import explore
    from automl.study.propose import warm_start

    before, explored = study.settings.datasets, explore(study_space(study))
    if not before or warm_start.datasets(explored) == before:
        return
    sources = ", ".join(dict.fromkeys(str(config.dataset) for config in explored.configs))
    raise UserError(
        f"the data has changed since the search {study.name!r} began: {sources} holds other rows "
        "or has other code now; put back what was there, or start a new search"
    )
