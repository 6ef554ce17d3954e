"""The choice of one model of a front."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl import pareto
from automl.errors import UserError, unknown
from automl.pareto import Axis
from automl.study.record import TrialRecord
from automl.study.study import Study


@dataclass(frozen=True)
class Wish:
    """A figure to be best in, up to a tolerance: in its unit, or (`percent`) of the best value."""

    figure: str
    tolerance: float = 0.0
    percent: bool = False

    def slack(self, best: float) -> float:
        return self.tolerance * abs(best) / 100 if self.percent else self.tolerance


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

    One of `best` (a figure), `knee` and `prefer` (see `parse_prefer`) says what is wanted;
    without them it is the first objective. Raises UserError when none fits.
    """
    _check_one(best=best, knee=knee, prefer=prefer, trial=trial)
    _check_one(where=where, trial=trial)
    if trial is not None:
        return _named(study, trial)
    objectives = study.settings.objectives
    wishes = [Wish(best or objectives[0])] if prefer is None else parse_prefer(prefer)
    conditions = pareto.parse_where(where) if where else []
    front = study.front().members
    known = list(front[0].values) if front else list(pareto.DIRECTIONS)
    for name in (*(wish.figure for wish in wishes), *(name for name, _, _ in conditions)):
        if name not in known:
            raise UserError(unknown("figure", name, known))
    fitting = [record for record in front if pareto.satisfies(record.values, conditions)]
    if not fitting:
        raise UserError(_none_fits(study, front, where))
    if knee:
        return knee_of(fitting, study.settings.axes)
    return preferred(fitting, wishes, objectives)


def advise(study: Study, front: Sequence[TrialRecord]) -> Advice | None:
    """The model that was exported last, else the front's knee; None while the front is empty."""
    command = f"automl export {study.name}"
    exported = study.attribute("exported")
    if exported is not None:
        take = f"{command} --trial {exported} --out out"
        return Advice(_named(study, exported), "exported last", take)
    if not front:
        return None
    knee = knee_of(front, study.settings.axes)
    return Advice(knee, "the best compromise", f"{command} --knee --out out")


def parse_prefer(text: str) -> list[Wish]:
    """'accuracy within 0.01, size_bytes within 10%, latency_ms', the most important first."""
    wishes = [_wish(part.strip()) for part in text.split(",")]
    names = [wish.figure for wish in wishes]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"--prefer names {name} twice; name each figure once")
    return wishes


def preferred(
    records: Sequence[TrialRecord], wishes: Sequence[Wish], objectives: Sequence[str]
) -> TrialRecord:
    """The record that is left when each wish keeps what is within its tolerance of the best.

    Several that are left are told apart by the objectives not wished for, then by the figures
    wished for, each to the last bit, then by age.
    """
    named = [wish.figure for wish in wishes]
    rest = [name for name in objectives if name not in named]
    for wish in (*wishes, *map(Wish, (*rest, *named))):
        sign = 1 if pareto.DIRECTIONS[wish.figure] == "max" else -1
        values = [sign * record.values[wish.figure] for record in records]
        # A hair wider: 0.901 - 0.059 lies above 0.842.
        bound = max(values) - wish.slack(max(values)) * (1 + 1e-9)
        records = [record for record, value in zip(records, values) if value >= bound]
    return records[0]


def _wish(text: str) -> Wish:
    match = re.fullmatch(r"(\w+)(?:\s+within\s+(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*(%?))?", text)
    if match is None:
        raise UserError(
            f"cannot read the wish {text!r}; write FIGURE, or FIGURE within NUMBER (or PERCENT%), "
            "joined by commas, the most important first"
        )
    return Wish(match[1], float(match[2] or 0), bool(match[3]))


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
