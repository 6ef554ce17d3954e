"""A search that was begun earlier: if one command may go on with it, and if it has ended."""

from __future__ import annotations

from dataclasses import fields

from automl import conditions
from automl.engine import chosen_runtimes, new_search
from automl.engine.budget_options import Budgets
from automl.engine.new_search import Asked
from automl.engine.search_options import Options, declared
from automl.engine.searches import open_study
from automl.engine.study_space import study_space
from automl.errors import UserError
from automl.pareto import DIRECTIONS
from automl.space.exploring import explore
from automl.space.space import Space
from automl.study import storage
from automl.study.budget import Budget
from automl.study.goal import Goal
from automl.study.study import Study


def earlier(asked: Asked, space: Space) -> Study | None:
    """The search that the home has under the name of a new one, of this space; None when it has
    none.

    Raises UserError when that search is of another space, or began with other options.
    """
    new, name = asked.new, str(asked.new.name)
    if name not in asked.home.studies():
        return None
    found = open_study(asked.home, name)
    settings = found.settings
    differs = {
        "the space's text": found.space_text != asked.source.text,
        "--set, --seed or the workers of a trial": settings.fixed != asked.fixed,
        "--sampler": settings.sampler != new.sampler,
        "--warm-start": settings.warm_start != (new.warm_start or ""),
        **_given_otherwise(found, asked, space),
    }
    if changed := [part for part, is_other in differs.items() if is_other]:
        raise UserError(
            f"search {name!r} began otherwise than this command has it ({', '.join(changed)}); "
            f"to go on as it began: automl resume {name}, or choose another --name"
        )
    if new.store is not None:
        asked.home.may_use_store(new.store)
    return found


def _given_otherwise(found: Study, asked: Asked, space: Space) -> dict[str, bool]:
    """Tell of each option that is given, and that a search does not take anew when it goes on, if
    the search began with another value."""
    new, settings, had = asked.new, found.settings, found.attribute("options", {})
    differs = {}
    for name, option in declared("search").items():
        if name in vars(asked.chosen) and name not in declared("resume"):
            wanted = getattr(asked.chosen, name)
            flag = f"--no-{option.flag[2:]}" if wanted is False else option.flag
            differs[flag] = wanted not in (option.default, had.get(name))
    if new.runtimes:
        runtimes = chosen_runtimes.with_runtimes(space, new.runtimes).runtimes
        differs["--runtime"] = settings.runtimes != runtimes
    if new.initial_points is not None:
        points = new_search.initial_points(new.initial_points, space)
        first = new_search.tried_first(settings.reference_params, points)
        differs["--initial-points"] = settings.initial_points != first
    if asked.database is not None:
        differs["--study-storage"] = storage.database_of(found.folder) != asked.database
    return differs


def is_over(found: Study, chosen: Options) -> bool:
    """Tell whether a search has ended, under the budgets that it would go on with."""
    had = found.attribute("options", {})
    return found.is_over and all(
        getattr(chosen, f.name) == had.get(f.name) for f in fields(Budgets)
    )


def check_reference(found: Study, until: str | None) -> None:
    """Raise UserError when a goal is relative to a quality that a search does not find out: its
    reference is trained only where the goal or a constraint with which it began needs that."""
    paths = explore(study_space(found)).domains
    is_one_of_many = any(f"{path}.".startswith("model.") for path in paths)
    goal = Goal(until, found.settings)
    if goal.needs_training and is_one_of_many and not found.settings.reference_params:
        raise UserError(
            f"{str(until)!r}: search {found.name!r} began without such a goal, and so does not "
            "train its reference, the largest fp32 model; write numbers, or begin a new search "
            "with this --until"
        )


def check_goal(found: Study, until: str | None) -> None:
    """Raise UserError when a goal names what is not measured or found out, or is met already."""
    check_reference(found, until)
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
