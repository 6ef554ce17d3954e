"""The choice of one model of a front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl import pareto
from automl.conditions import Condition, Wish, limits, parse, parse_wishes, satisfies, violation
from automl.errors import UserError, unknown
from automl.pareto import Axis
from automl.study.record import TrialRecord
from automl.study.study import Study


@dataclass(frozen=True)
class Advice:
    """A model to take, why this one, and the command that takes it."""

    record: TrialRecord
    why: str
    command: str


def choose(
    study: Study,
    *,
    trial: str | None = None,
    best: str | None = None,
    knee: bool = False,
    prefer: str | None = None,
    where: str | None = None,
) -> TrialRecord:
    """The trial named, else the member of the front that meets `where` and is wanted most.

    One of `best` (a figure), `knee` and `prefer` says what is wanted; without them it is the
    first objective. `conditions.py` has the words of `where` and `prefer`. Raises UserError when
    none fits.
    """
    _check_one(best=best, knee=knee, prefer=prefer, trial=trial)
    _check_one(where=where, trial=trial)
    if trial is not None:
        return _named(study, trial)
    objectives, front = study.settings.objectives, study.front()
    members, reference = front.members, front.reference.figures
    known = [n for n in pareto.DIRECTIONS if all(n in record.values for record in members)]
    if best is not None and best not in known:
        raise UserError(unknown("figure", best, known))
    wishes: list[Wish | Condition] = [Wish(best or objectives[0])]
    if prefer is not None:
        wishes = parse_wishes(prefer, known)
    wanted = parse(where, known) if where else []
    for condition in (*wanted, *wishes):
        if isinstance(condition, Condition) and condition.limit(reference) is None:
            raise UserError(_no_reference(study, condition))
    fitting = [r for r in members if satisfies(r.values, limits(wanted, reference))]
    if not fitting:
        raise UserError(_none_fits(study, members, where))
    if knee:
        return knee_of(fitting, study.settings.axes)
    return preferred(fitting, wishes, objectives, reference)


def advise(study: Study, front: Sequence[TrialRecord]) -> Advice | None:
    """The model that was exported last, else what met the search's goal, else the front's knee;
    None while the front is empty."""
    command = f"automl export {study.name}"
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
    objectives: Sequence[str],
    reference: Mapping[str, float],
) -> TrialRecord:
    """The record that is left when each wish keeps what is within its tolerance of the best.

    A condition keeps what meets it, or comes nearest where nothing does. Several that are left
    are told apart by the objectives not wished for, then by the figures wished for, each to the
    last bit, then by age.
    """
    named = [wish.figure for wish in wishes if isinstance(wish, Wish)]
    rest = [name for name in objectives if name not in named]
    for wish in (*wishes, *map(Wish, (*rest, *named))):
        if isinstance(wish, Condition):
            misses = [violation(record.values, limits([wish], reference)) for record in records]
            records = [r for r, miss in zip(records, misses) if miss <= min(misses)]
            continue
        sign = 1 if pareto.DIRECTIONS[wish.figure] == "max" else -1
        values = [sign * record.values[wish.figure] for record in records]
        bound = max(values) - wish.slack(max(values))
        records = [record for record, value in zip(records, values) if value >= bound]
    return records[0]


def knee_of(records: Sequence[TrialRecord], axes: Mapping[str, Axis]) -> TrialRecord:
    """The record whose coordinates, each spread over what these records span, sum to most.

    That is the least Manhattan distance from the ideal (Chiu, Yen and Juan 2017,
    https://arxiv.org/abs/1705.01705); with two objectives it is the record farthest beyond the
    line through both ends (Das 1999).
    """
    coordinates = [
        _spread([axis.at(record.values[name]) for record in records]) for name, axis in axes.items()
    ]
    sums = [sum(row) for row in zip(*coordinates)]
    return records[sums.index(max(sums))]


def _spread(values: Sequence[float]) -> list[float]:
    low, width = min(values), max(values) - min(values)
    return [(value - low) / width if width else 0.0 for value in values]


def _check_one(**wishes: object) -> None:
    """Raise UserError when more than one of the options is given."""
    given = [f"--{name}" for name, value in wishes.items() if value]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} exclude one another; give one of them")


def _named(study: Study, trial: str) -> TrialRecord:
    for record in [*study.records(), *study.refits()]:
        if record.is_complete and record.trial_id == trial.zfill(4):
            return record
    raise UserError(
        f"search {study.name!r} has no complete trial {trial!r}; "
        f"`automl front {study.name}` lists those of the front"
    )


def _no_reference(study: Study, condition: Condition) -> str:
    return (
        f"{str(condition)!r}: no trial of {study.name!r} has trained an fp32 model, so the "
        f"reference's {condition.figure} is not known; write a number"
    )


def _none_fits(study: Study, front: Sequence[TrialRecord], where: str | None) -> str:
    if not front:
        return (
            f"search {study.name!r} has no complete trial yet; "
            f"search longer: automl resume {study.name}"
        )
    ranges = []
    for name in study.settings.objectives:
        values = [record.values[name] for record in front]
        ranges.append(f"{name} {min(values):.6g} to {max(values):.6g}")
    return f"no model of the front meets {where!r}; it spans {', '.join(ranges)}"
