"""Domains: what may stand for a leaf of a trial config, and its place in [0, 1)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

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
    """What a leaf may be; `likely` is the value that the space's author would bet on, if any."""

    likely: Any = None

    def allows(self, value: Any) -> bool:
        """Whether a suggestion may be this value."""
        raise NotImplementedError

    def check_likely(self, text: str) -> None:
        if self.likely is not None and not self.allows(self.likely):
            raise UserError(
                f"{text}: likely is {self.likely!r}, which it cannot be; give one of its values"
            )


@dataclass(frozen=True)
class IntDomain(Domain):
    low: int
    high: int
    step: int = 1
    likely: int | None = None

    def __post_init__(self) -> None:
        _check_order("Int", self.low, self.high)
        self.check_likely(f"Int({self.low}, {self.high}, step={self.step})")

    def allows(self, value: Any) -> bool:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high and (value - self.low) % self.step == 0


@dataclass(frozen=True)
class FloatDomain(Domain):
    low: float
    high: float
    log: bool = False
    likely: float | None = None

    def __post_init__(self) -> None:
        _check_order("Float", self.low, self.high)
        if self.log and self.low <= 0:
            raise UserError(f"Float({self.low}, {self.high}, log=True): low must be above zero")
        self.check_likely(f"Float({self.low}, {self.high})")

    def allows(self, value: Any) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high


@dataclass(frozen=True)
class OneOfDomain(Domain):
    options: tuple[Any, ...]
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

    def allows(self, value: Any) -> bool:
        return value in self.names()

    def names(self) -> list[str]:
        return self._names

    @cached_property
    def _names(self) -> list[str]:
        return [option_name(option) for option in self.options]

    def option(self, name: str) -> Any:
        return self.options[self.names().index(name)]

    def name_of(self, option: Any) -> Any:
        """The name of an option that is told by itself or by its name."""
        name = option_name(option)
        return name if name in self.names() else option


@dataclass(frozen=True)
class RepeatDomain(Domain):
    item: Any
    length: Any


def Int(low: int, high: int, *, step: int = 1, likely: int | None = None) -> Any:
    """An integer from low to high, both included; `high` is lowered to a whole step."""
    return IntDomain(low, high - (high - low) % step if high >= low else high, step, likely)


def Float(low: float, high: float, *, log: bool = False, likely: float | None = None) -> Any:
    """A number from low to high, uniform or (`log`) uniform in its logarithm."""
    return FloatDomain(low, high, log, likely)


def OneOf(*options: Any, label: str = "", likely: Any = None) -> Any:
    """One of several values or configs, each with its own domains inside.

    In a recipe an option may be None (no step) or a tuple of steps (so that orders can be
    searched); the choice is named by `label`, else by the labels of its steps.
    `likely` is an option or its name, e.g. 8, "AdamW" or "None".
    """
    domain = OneOfDomain(options, label)
    return domain if likely is None else replace(domain, likely=domain.name_of(likely))


def Repeat(item: Any, length: Any) -> Any:
    """A tuple of `length` copies of `item`, each sampled by itself: width per layer, and depth."""
    return RepeatDomain(item, length)


def at(domain: Domain, place: float) -> Any:
    """The value at a place in [0, 1) of a domain."""
    match domain:
        case IntDomain(low, high, step):
            return low + step * int(place * ((high - low) // step + 1))
        case FloatDomain(low, high, log):
            return low * (high / low) ** place if log else low + place * (high - low)
        case OneOfDomain():
            return domain.names()[int(place * len(domain.options))]
    raise AssertionError(domain)


def option_name(option: Any) -> str:
    """A config's class name, a tuple of steps' labels joined by -, else the JSON text."""
    if isinstance(option, Config):
        return type(option).__name__
    if isinstance(option, tuple) and any(isinstance(o, Step | OneOfDomain) for o in option):
        return step_name(option)
    return "None" if option is None else json.dumps(encode(option))


def step_name(item: Any) -> str:
    """What a recipe's item is called in paths: its label, or its options' labels."""
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
