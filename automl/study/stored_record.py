"""A trial's record as Optuna's storage keeps it: parameters of its own, the rest as attributes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import TypeAdapter

from automl.config import decode, encode
from automl.space.domains import Params
from automl.study.record import Course, Drawing, TrialRecord
from automl.study.trial_id import Kind, TrialId

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

DRAWING, COURSE, RESULT = "drawing", "course", "result"
"""The attributes of a trial: its draw, and its course with, in the same write, its result."""
REFIT = "refit-"
"""The beginning of the names of a study's attributes that hold refits; a number follows."""
Json: TypeAlias = Mapping[str, Any]  # type: ignore[explicit-any]
"""An object in JSON."""


@cache
def drawings() -> TypeAdapter[Drawing]:
    """The reader and writer of draws; it takes time to be made."""
    return TypeAdapter(Drawing)


@cache
def courses() -> TypeAdapter[Course]:
    """The same of courses."""
    return TypeAdapter(Course)


def attributes(record: TrialRecord) -> dict[str, object]:
    """The attributes of a trial that starts."""
    return {DRAWING: drawings().dump_python(record.drawing, mode="json"), COURSE: course(record)}


def course(record: TrialRecord) -> dict[str, object]:
    """The part of a trial that changes after its start, as one attribute."""
    kept: dict[str, object] = courses().dump_python(record.course, mode="json")
    if record.result is not None:
        kept[RESULT] = encode(record.result)
    return kept


def read(trial: FrozenTrial) -> TrialRecord:
    stored, ended = trial.user_attrs, trial.datetime_complete
    kept = stored[COURSE].get(RESULT)
    result = None if kept is None else decode(kept)
    return TrialRecord(
        id=TrialId(trial.number),
        params=trial.params,
        distributions=trial.distributions,
        drawing=drawings().validate_python(stored[DRAWING]),
        course=courses().validate_python(stored[COURSE]),
        result=result,
        config=result.config if result else "",
        ended=0.0 if ended is None else ended.timestamp(),
    )


def refit(record: TrialRecord) -> tuple[str, dict[str, object]]:
    """A refit as a study keeps it: the attribute's name, and its value."""
    kept = {
        "params": dict(record.params),
        "config": record.config,
        "result": None if record.result is None else encode(record.result),
        "ended": record.ended,
    }
    return f"{REFIT}{record.id.number}", kept


def refits(attributes: Json) -> list[TrialRecord]:
    """The refits among a study's attributes, by number."""
    found = [_refit(n, **kept) for n, kept in attributes.items() if n.startswith(REFIT)]
    return sorted(found, key=lambda record: record.id)


def _refit(name: str, params: Params, config: str, result: object, ended: float) -> TrialRecord:
    return TrialRecord(
        id=TrialId(int(name.removeprefix(REFIT)), Kind.REFIT),
        params=params,
        distributions={},
        result=None if result is None else decode(result),
        config=config,
        ended=ended,
    )
