"""Domains: ranges and choices that may stand for a leaf of a trial config.

The functions that a space file calls (`Int`, `Float`, `OneOf`, `Repeat`) are typed as returning
`Any`, so that the fields of configs keep their plain types for editors and type checkers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias, cast

from automl.config import Config, encode
from automl.errors import UserError, unknown
from automl.recipe import Step

ParamValue: TypeAlias = str | int | float | bool | None
"""A value that is suggested for a domain: a number, or the name of an option."""
Params: TypeAlias = Mapping[str, ParamValue]
"""A trial's suggested values by their paths."""
Suggest: TypeAlias = Callable[[str, "Domain"], ParamValue]
"""Gives a value for the domain at a path."""


class Domain(Config):
    """Base of the domains of a leaf; `likely` is the author's bet on its value, if any."""

    likely: ParamValue = None

    def allows(self, value: object) -> bool:
        """True of a value that may be suggested."""
        raise NotImplementedError

    def check_likely(self, text: str) -> None:
        """Raise UserError, with the domain as it was written, on a likely value outside of it."""
        if self.likely is not None and not self.allows(self.likely):
            raise UserError(
                f"{text}: likely is {self.likely!r}, which it cannot be; give one of its values"
            )


@dataclass(frozen=True)
class IntDomain(Domain):
    """Integers from `low` to `high`, both included, in steps of `step`."""

    low: int
    high: int
    step: int = 1
    likely: int | None = None

    def __post_init__(self) -> None:
        _check_order("Int", self.low, self.high)
        self.check_likely(f"Int({self.low}, {self.high}, step={self.step})")

    def allows(self, value: object) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0


@dataclass(frozen=True)
class FloatDomain(Domain):
    """Numbers from `low` to `high`, uniform or (`log`) uniform in their logarithm."""

    low: float
    high: float
    log: bool = False
    likely: float | None = None

    def __post_init__(self) -> None:
        _check_order("Float", self.low, self.high)
        if self.log and self.low <= 0:
            raise UserError(f"Float({self.low}, {self.high}, log=True): low must be above zero")
        self.check_likely(f"Float({self.low}, {self.high})")

    def allows(self, value: object) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        return self.low <= value <= self.high


@dataclass(frozen=True)
class OneOfDomain(Domain):
    """A choice between options, which are suggested by their names."""

    options: tuple[object, ...]
    label: str = ""
    likely: str | None = None

    def __post_init__(self) -> None:
        names = self.names()
        if not names:
            raise UserError("OneOf() has no options; give it at least one")
        if twice := {name for name in names if names.count(name) > 1}:
            raise UserError(
                f"OneOf has two options named {twice.pop()!r}; "
                "merge them into one whose differing field is a domain"
            )
        if self.likely is not None and not self.allows(self.likely):
            raise UserError(unknown("likely option", str(self.likely), names))

    def allows(self, value: object) -> bool:
        return value in self.names()

    def names(self) -> list[str]:
        return self._names

    @cached_property
    def _names(self) -> list[str]:
        return [option_name(option) for option in self.options]

    def option(self, name: str) -> object:
        return self.options[self.names().index(name)]

    def name_of(self, option: object) -> object:
        """The name of an option, given the option or its name; else what is given."""
        name = option_name(option)
        return name if name in self.names() else option


@dataclass(frozen=True)
class RepeatDomain(Domain):
    """A tuple of `length` copies of `item`; both may hold domains."""

    item: object
    length: object


def Int(low: int, high: int, *, step: int = 1, likely: int | None = None) -> Any:
    """An integer from low to high, both included; `high` is lowered to a whole step."""
    if step < 1:
        raise UserError(f"Int({low}, {high}, step={step}): step is below 1; give one from 1 on")
    return IntDomain(low, high - (high - low) % step if high >= low else high, step, likely)


def Float(low: float, high: float, *, log: bool = False, likely: float | None = None) -> Any:
    """A number from low to high, uniform or (`log`) uniform in its logarithm."""
    return FloatDomain(low, high, log, likely)


def OneOf(*options: object, label: str = "", likely: object = None) -> Any:
    """A choice between values or configs, each with domains of its own inside.

    In a recipe an option may be None (no step) or a tuple of steps (so that orders can be
    searched); the choice is named by `label`, else by the labels of its steps.
    `likely` is an option or its name, e.g. 8, "AdamW" or "None".
    """
    domain = OneOfDomain(options, label)
    if likely is None:
        return domain
    return replace(domain, likely=cast(str, domain.name_of(likely)))


def Repeat(item: object, length: object) -> Any:
    """A tuple of `length` copies of `item`, each sampled by itself: width per layer, and depth."""
    return RepeatDomain(item, length)


def at(domain: Domain, position: float) -> ParamValue:
    """The value at a position in [0, 1) of a domain."""
    match domain:
        case IntDomain(low, high, step):
            return low + step * int(position * ((high - low) // step + 1))
        case FloatDomain(low, high, log):
            return low * (high / low) ** position if log else low + position * (high - low)
        case OneOfDomain():
            return domain.names()[int(position * len(domain.options))]
    raise AssertionError(domain)


def option_name(option: object) -> str:
    """A config's class name, a tuple of steps' labels joined by -, the name of a function or
    class, else the JSON text. Raises UserError on what has none of these."""
    if isinstance(option, Config):
        return type(option).__name__
    if isinstance(option, tuple) and any(isinstance(o, Step | OneOfDomain) for o in option):
        return step_name(option)
    if callable(option) and hasattr(option, "__qualname__"):
        return str(option.__qualname__)
    try:
        return "None" if option is None else json.dumps(encode(option))
    except TypeError:
        raise UserError(
            f"OneOf has the option {option!r}, which has no name and is not what JSON can hold"
        ) from None


def step_name(item: object) -> str:
    """The name of a recipe's item in paths: its label, or its options' labels.

    Raises UserError on an item that is no step.
    """
    if isinstance(item, Step):
        return item.label
    if isinstance(item, tuple):
        return "-".join(step_name(part) for part in item)
    if not isinstance(item, OneOfDomain):
        raise UserError(f"the recipe holds {item!r}, which is no step; give a step, e.g. Train()")
    names = [step_name(option) for option in item.options if option is not None]
    return item.label or "_or_".join(dict.fromkeys(names))


def _check_order(name: str, low: float, high: float) -> None:
    if low > high:
        raise UserError(f"{name}({low}, {high}): low is above high; swap them")
