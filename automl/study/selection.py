"""The choice of one model of a front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl import noise, pareto
from automl.conditions import (
    Condition,
    Limit,
    Wish,
    limits,
    parse,
    parse_wishes,
    satisfies,
    violation,
)
from automl.errors import UserError, unknown
from automl.pareto import Axis, Directions
from automl.study.front import Front
from automl.study.overview import Overview
from automl.study.record import Settings, TrialRecord

QUALITY_WEIGHT = 4.0
"""The weight of quality's axis in the knee, against that of bytes and times together."""


@dataclass(frozen=True)
class Advice:
    """A model to take, why this one, and the command that takes it."""

    record: TrialRecord
    why: str
    command: str


def choose(
    study: Overview,
    *,
    trial: str | int | None = None,
    best: str | None = None,
    knee: bool = False,
    prefer: str | None = None,
    where: str | None = None,
) -> TrialRecord:
    """The trial named, else the member of the front that meets `where` and is wanted most.

    The front is that of the models which meet `where`: none gives way to one as good that does not.
    One of `best` (a figure), `knee` and `prefer` says what is wanted; without them it is the
    first objective. `conditions.py` has the words of `where` and `prefer`. Raises UserError when
    none fits.
    """
    named = None if trial is None else str(trial)
    _check_one(best=best, knee=knee, prefer=prefer, trial=named)
    _check_one(where=where, trial=named)
    if named is not None:
        return _named(study, named)
    settings, front = study.settings, study.front()
    directions, reference = settings.directions, front.reference.figures
    figures = _figures(front.unbeaten, directions)
    known = [n for n in figures if all(n in record.values for record in front.unbeaten)]
    if best is not None and best not in known:
        raise UserError(unknown("figure", best, known))
    wishes: list[Wish | Condition] = [Wish(best or settings.objectives[0])]
    if prefer is not None:
        wishes = parse_wishes(prefer, known, directions)
    wanted = parse(where, known, directions) if where else []
    for condition in (*wanted, *wishes):
        if isinstance(condition, Condition) and condition.limit(reference) is None:
            raise UserError(_no_reference(study, condition))
    must = limits(wanted, reference)
    fitting = [record for record in front.unbeaten if satisfies(record.values, must)]
    if not fitting:
        raise UserError(_none_fits(study, front.unbeaten, where, must))
    if knee:
        return knee_of(_told_apart(front, fitting, wishes), settings.axes)
    return most_wanted(front, fitting, wishes, settings)


def most_wanted(
    front: Front,
    fitting: Sequence[TrialRecord],
    wishes: Sequence[Wish | Condition],
    settings: Settings,
) -> TrialRecord:
    """The one to take of a front's unbeaten models that meet some conditions."""
    members = _told_apart(front, fitting, wishes)
    return preferred(members, wishes, settings, front.reference.figures)


def nothing_to_take(study: Overview) -> str:
    """The sentence on a search whose front is empty."""
    return (
        f"search {study.name!r} has no model to take: {study.why_empty()}; "
        f"{'mend that, or ' * study.is_over}search longer: automl resume {study.name}"
    )


def advise(study: Overview, front: Sequence[TrialRecord]) -> Advice | None:
    """The model that was exported last, else what met the search's goal, else the front's knee;
    None while the front is empty."""
    command = f"automl export {study.name}{f' --runtime {study.runtime}' * bool(study.runtime)}"
    exported = study.attribute("exported")
    if exported is not None:
        take = f"{command} --trial {exported} --out out"
        return Advice(_named(study, exported), "exported last", take)
    if not front:
        return None
    goal = study.goal()
    if goal.met_by is not None:
        take = f"{command} --trial {goal.met_by.trial_id} --out out"
        return Advice(goal.met_by, f"it meets {goal}", take)
    knee = knee_of(front, study.settings.axes)
    return Advice(knee, "the best compromise", f"{command} --knee --out out")


def preferred(
    records: Sequence[TrialRecord],
    wishes: Sequence[Wish | Condition],
    settings: Settings,
    reference: Mapping[str, float],
) -> TrialRecord:
    """The record that is left when each wish keeps what is within its tolerance of the best.

    A tolerance is at least what noise explains. A condition keeps what meets it, or comes nearest
    where nothing does. Several that are left are told apart by the objectives not wished for, then
    by the figures wished for and all others to the last bit, then by age.
    """
    named = [wish.figure for wish in wishes if isinstance(wish, Wish)]
    rest = [name for name in settings.objectives if name not in named]
    directions = settings.directions
    for wish in (*wishes, *map(Wish, rest)):
        if isinstance(wish, Condition):
            misses = [violation(record.values, limits([wish], reference)) for record in records]
            records = [r for r, miss in zip(records, misses) if miss <= min(misses)]
        else:
            records = _within(records, wish, directions)
    for name in (*named, *rest):
        best = _best(records, name, directions).values[name]
        records = [record for record in records if record.values[name] == best]
    return records[0]


def _told_apart(
    front: Front, fitting: Sequence[TrialRecord], wishes: Sequence[Wish | Condition]
) -> list[TrialRecord]:
    """Keep what noise alone does not keep there; what meets a condition that is wished for does not
    give way to what is as good and misses it."""
    conditions = [wish for wish in wishes if isinstance(wish, Condition)]
    wanted = limits(conditions, front.reference.figures)
    alike: dict[tuple[bool, ...], list[TrialRecord]] = {}
    for record in fitting:
        alike.setdefault(tuple(one.holds(record.values) for one in wanted), []).append(record)
    kept = {record.id for group in alike.values() for record in front.told_apart(group)}
    return [record for record in fitting if record.id in kept]


def _figures(front: Sequence[TrialRecord], directions: Directions) -> list[str]:
    """The figures that a front may be asked for."""
    return pareto.figures_in(front[0].values, directions) if front else list(directions)


def _best(records: Sequence[TrialRecord], figure: str, directions: Directions) -> TrialRecord:
    return max(records, key=lambda record: directions.sign(figure) * record.values[figure])


def _within(
    records: Sequence[TrialRecord], wish: Wish, directions: Directions
) -> list[TrialRecord]:
    """The records within a wish's tolerance of the best in its figure, or that may be as good."""
    name, best = wish.figure, _best(records, wish.figure, directions)
    slack, sure = wish.slack(best.values[name]), best.uncertainty.get(name, 0.0)

    def is_within(record: TrialRecord) -> bool:
        behind = abs(best.values[name] - record.values[name])
        error = record.uncertainty.get(name, 0.0)
        return behind <= max(slack, noise.tolerance(name, sure, error))

    return [record for record in records if is_within(record)]


def knee_of(records: Sequence[TrialRecord], axes: Mapping[str, Axis]) -> TrialRecord:
    """The record of most quality and least cost, each on the search's own axes.

    A mean over the qualities counts `QUALITY_WEIGHT` times that over bytes and times, so that a
    factor of two in all costs is worth one fortieth of the way from chance to perfection. Which
    other records there are, and what they span, does not change which of two is preferred.
    """
    costs = [name for name in axes if pareto.is_of_file(name)]
    qualities = [name for name in axes if name not in costs]

    def worth(record: TrialRecord) -> float:
        places = {name: axis.at(record.values[name]) for name, axis in axes.items()}
        quality, cost = (_mean([places[n] for n in own]) for own in (qualities, costs))
        return QUALITY_WEIGHT * quality + cost

    return max(records, key=worth)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


def _check_one(**wishes: object) -> None:
    """Raise UserError when more than one of the options is given."""
    given = [f"--{name}" for name, value in wishes.items() if value]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} exclude one another; give one of them")


def _named(study: Overview, trial: str) -> TrialRecord:
    """The complete trial or refit of an id, which may be written without its leading zeros."""
    number, dash, kind = trial.partition("-")
    wanted = f"{number.zfill(4)}{dash}{kind}"
    for record in [*study.records(), *study.refits()]:
        if record.is_complete and record.trial_id == wanted:
            return record
    raise UserError(
        f"search {study.name!r} has no complete trial {trial!r}; "
        f"`automl front {study.name}` lists those of the front"
    )


def _no_reference(study: Overview, condition: Condition) -> str:
    return (
        f"{str(condition)!r}: no trial of {study.name!r} has trained an fp32 model, so the "
        f"reference's {condition.figure} is not known; write a number"
    )


def _none_fits(
    study: Overview, front: Sequence[TrialRecord], where: str | None, wanted: Sequence[Limit]
) -> str:
    """The sentence on conditions that no member of a front meets, with the nearest member."""
    if not front:
        return nothing_to_take(study)
    ranges = []
    for name in study.settings.objectives:
        values = [record.values[name] for record in front]
        ranges.append(f"{name} {min(values):.6g} to {max(values):.6g}")
    nearest = min(front, key=lambda record: violation(record.values, wanted))
    figures = dict.fromkeys([*(limit.figure for limit in wanted), *study.settings.objectives])
    has = ", ".join(f"{name} {nearest.values[name]:.6g}" for name in figures)
    return (
        f"no model of the front meets {where!r}: the nearest is {nearest.trial_id} with {has}, and "
        f"the front spans {', '.join(ranges)}; ask for less, or take --trial {nearest.trial_id}"
    )
