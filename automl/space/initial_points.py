"""Points of a space that a user gives: checked, and completed by other suggestions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias, cast

from automl.errors import UserError, unknown
from automl.space.domains import (
    Domain,
    FloatDomain,
    IntDomain,
    OneOfDomain,
    Params,
    ParamValue,
    Suggest,
)
from automl.space.exploring import Explored, explore
from automl.space.sampling import sample
from automl.space.space import Space

Point: TypeAlias = dict[str, ParamValue]
"""Values by their paths; the paths that it leaves out are drawn."""


def read(file: Path, space: Space) -> list[Point]:
    """The points in a JSON file. Raises UserError when it is none, or as `check` does."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--initial-points {file} cannot be read: {error}") from None
    except ValueError as error:
        raise UserError(f"--initial-points {file} is not JSON: {error}") from None
    return check(found, space)


def check(points: object, space: Space) -> list[Point]:
    """The points of a list of {path: value} dicts, with options by their names.

    Raises UserError, naming the point by its position, on paths and values outside of the space.
    """
    if not isinstance(points, list | tuple) or not points:
        raise UserError("initial points are a list of {path: value} objects, at least one")
    explored = explore(space)
    return [_check(point, f"point {i}", space, explored) for i, point in enumerate(points, 1)]


def given(point: Params, suggest: Suggest) -> Suggest:
    """A `Suggest` that gives the point's values, and at other paths those of `suggest`."""

    def suggest_given(path: str, domain: Domain) -> ParamValue:
        return point[path] if path in point else suggest(path, domain)

    return suggest_given


def describe(domain: Domain) -> str:
    """A domain in a few words."""
    return _values(domain) + ("" if domain.likely is None else f", likely {domain.likely}")


def _values(domain: Domain) -> str:
    match domain:
        case IntDomain(low, high, step):
            return f"{low} to {high}" + (f" by {step}" if step != 1 else "")
        case FloatDomain(low, high, log):
            return f"{low:g} to {high:g}" + (", logarithmic" if log else "")
        case OneOfDomain():
            return " | ".join(domain.names())
    raise AssertionError(domain)


def _check(point: object, name: str, space: Space, explored: Explored) -> Point:
    if not isinstance(point, Mapping):
        raise UserError(f"{name} is {point!r}; write an object of paths and values")
    checked = {}
    for path, value in point.items():
        if path in space.fixed:
            raise UserError(f"{name}: {path} is fixed by --set; leave it out")
        if path not in explored.domains:
            raise UserError(f"{name}: {unknown('path', str(path), sorted(explored.domains))}")
        checked[path] = _value(value, f"{name}: {path}", explored.domains[path])
    _check_met(checked, name, space, explored)
    return checked


def _value(value: object, where: str, domain: Domain) -> ParamValue:
    """A value in the form in which it would be suggested."""
    suggested = domain.name_of(value) if isinstance(domain, OneOfDomain) else value
    if not domain.allows(suggested):
        raise UserError(f"{where} cannot be {value!r}; it may be {describe(domain)}")
    allowed = cast(ParamValue, suggested)
    return float(cast(float, allowed)) if isinstance(domain, FloatDomain) else allowed


def _check_met(point: Point, name: str, space: Space, explored: Explored) -> None:
    """Raise UserError on a path of the point that its other values do not always lead to."""
    options = [len(d.options) for d in explored.domains.values() if isinstance(d, OneOfDomain)]
    for turn in range(max(options, default=1)):
        missed = set(point) - _paths_met(point, space, turn)
        if missed:
            raise UserError(
                f"{name}: {min(missed)} is met only after other choices, which the point leaves "
                "open or makes otherwise; give those too, or leave it out"
            )


def _paths_met(point: Point, space: Space, turn: int) -> set[str]:
    """The paths on a way through the space whose open choices take the option number `turn`."""
    met = set()

    def suggest(path: str, domain: Domain) -> ParamValue:
        met.add(path)
        if path in point:
            return point[path]
        if isinstance(domain, OneOfDomain):
            names = domain.names()
            return names[turn % len(names)]
        assert isinstance(domain, IntDomain | FloatDomain)
        return domain.low

    sample(space, suggest)
    return met
