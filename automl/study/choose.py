"""Which model of a front to take."""

from __future__ import annotations

from collections.abc import Sequence

from automl import pareto
from automl.config import UserError
from automl.space import unknown
from automl.study.study import Study, TrialRecord


def choose(
    study: Study, *, trial: str | None = None, best: str | None = None, where: str | None = None
) -> TrialRecord:
    """The trial named, else the best in one figure among the front's members that meet `where`.

    Without `best` the first objective decides. Raises UserError when none fits.
    """
    records = [r for r in study.records() if r.result and r.result.status == "complete"]
    if trial is not None:
        named = [record for record in records if record.trial_id == trial.zfill(4)]
        if not named:
            raise UserError(
                f"study {study.name!r} has no complete trial {trial!r}; "
                f"`automl front {study.name}` lists those of the front"
            )
        return named[0]
    figure = best or study.settings.objectives[0]
    front = study.front(records)
    conditions = pareto.parse_where(where) if where else []
    known = list(front[0].values) if front else list(pareto.DIRECTIONS)
    for name in (figure, *(name for name, _, _ in conditions)):
        if name not in known:
            raise UserError(unknown("figure", name, known))
    fitting = [record for record in front if pareto.satisfies(record.values, conditions)]
    if not fitting:
        raise UserError(_none_fits(study, front, where))
    sign = 1 if pareto.DIRECTIONS[figure] == "max" else -1
    return max(fitting, key=lambda record: (sign * record.values[figure], -record.number))


def _none_fits(study: Study, front: Sequence[TrialRecord], where: str | None) -> str:
    if not front:
        return (
            f"study {study.name!r} has no complete trial yet; "
            f"search longer: automl resume {study.name}"
        )
    ranges = []
    for name in study.settings.objectives:
        values = [record.values[name] for record in front]
        ranges.append(f"{name} {min(values):.6g} to {max(values):.6g}")
    return f"no model of the front meets {where!r}; it spans {', '.join(ranges)}"
