"""Events of a search that MLflow is to show, and the JSON in which they wait on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, get_args

from automl.config import decode, encode
from automl.trial.result import TrialResult


@dataclass(frozen=True)
class Opened:
    """A run of the search began. The `time` of all events is in milliseconds since 1970."""

    time: int


@dataclass(frozen=True)
class Started:
    """A trial was handed out."""

    time: int
    trial: str
    params: Mapping[str, object]


@dataclass(frozen=True)
class Reported:
    """A trial's step finished an epoch."""

    time: int
    trial: str
    step: str
    epoch: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Finished:
    """A trial ended."""

    time: int
    trial: str
    result: TrialResult


@dataclass(frozen=True)
class Ended:
    """The run of the search ended, with MLflow's `status` of a run."""

    time: int
    status: str


Event: TypeAlias = Opened | Started | Reported | Finished | Ended
KINDS = {kind.__name__.lower(): kind for kind in get_args(Event)}


def as_json(event: Event) -> dict[str, object]:
    return {"event": type(event).__name__.lower(), **encode(vars(event))}


def from_json(data: object) -> Event:
    """The inverse of `as_json`. Raises ValueError on what is no event."""
    if not isinstance(data, dict):
        raise ValueError(f"{data} is no event")
    try:
        known = {name: value for name, value in data.items() if name != "event"}
        event: Event = KINDS[str(data["event"])](**decode(known))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{data} is no event") from error
    return event
