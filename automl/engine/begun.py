"""A search that was begun earlier: if one command may go on with it, and if it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from automl import conditions
from automl.engine.budget_options import Budgets
from automl.engine.search_options import NewSearch, Options
from automl.engine.searches import open_study
from automl.errors import UserError
from automl.home import Home
from automl.pareto import DIRECTIONS
from automl.study.budget import Budget
from automl.study.goal import Goal
from automl.study.study import Study


def earlier(home: Home, new: NewSearch, space_text: str, fixed: Mapping[str, str]) -> Study | None:
    """The search that the home has under the name of a new one; None when it has none.

    Raises UserError when that search is of another space, or began with other options.
    """
    name = str(new.name)
    if name not in home.studies():
        return None
    found = open_study(home, name)
    settings = found.settings
    differs = {
        "the space's text": found.space_text != space_text,
        "--set, --seed or the workers of a trial": settings.fixed != fixed,
        "--sampler": settings.sampler != new.sampler,
        "--warm-start": settings.warm_start != (new.warm_start or ""),
    }
    if changed := [part for part, is_other in differs.items() if is_other]:
        raise UserError(
            f"search {name!r} began otherwise than this command has it ({', '.join(changed)}); "
            f"to go on as it began: automl resume {name}, or choose another --name"
        )
    if new.store is not None:
        home.may_use_store(new.store)
    return found


def is_over(found: Study, chosen: Options) -> bool:
    """Tell whether a search has ended, under the budgets that it would go on with."""
    had = found.attribute("options", {})
    return found.attribute("state") == "finished" and all(
        getattr(chosen, f.name) == had.get(f.name) for f in fields(Budgets)
    )


def check_goal(found: Study, until: str | None) -> None:
    """Raise UserError when a goal names what is not measured, or is met already."""
    records = [*found.records(), *found.refits()]
    measured = [record for record in records if record.is_complete]
    conditions.parse_any(until, measured[0].values if measured else DIRECTIONS)
    if why := Goal(until, found.settings, records).ending():
        raise UserError(
            f"search {found.name!r} has ended: {why}; to go on give another goal, or none: "
            f'automl resume {found.name} --until ""'
        )


def check_budget_left(found: Study, budget: Budget) -> None:
    """Raise UserError when the budget is spent and no refit was left running."""
    volumes = found.hypervolumes()
    left_running = any(refit.result is None for refit in found.refits())
    if left_running or len(volumes) < len(found.records()):
        return
    if why := budget.spent(volumes, gpu_seconds=found.attribute("gpu_seconds", 0.0)):
        more = f" --trials {2 * len(volumes)}" if len(volumes) >= budget.max_trials() else ""
        raise UserError(
            f"search {found.name!r} has ended: {why}; to go on give a larger budget: "
            f"automl resume {found.name}{more}"
        )
