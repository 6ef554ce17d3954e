"""Checks of config fields against their annotations, and the sentences that refuse values."""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Iterator
from dataclasses import MISSING, fields
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Interval
from pydantic import ConfigDict, TypeAdapter, ValidationError

from automl.config import Config, choices, parts
from automl.errors import UserError

WORDS = {
    int: "an integer",
    float: "a number",
    str: "a text",
    bool: "True or False",
    dict: "a dict",
    tuple: "a tuple",
    list: "a tuple, annotated tuple in place of list",
    types.NoneType: "None",
}
BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True)


def check(config: Config) -> None:
    """Raise UserError on a value, in a config or in one inside it, that cannot work.

    Each field is held against its annotation; then each config is asked by `check_ranges` whether
    its values fit together. No field is a domain any more.
    """
    found = parts(config)
    for part in found:
        _check_fields(part)
    for part in found:
        part.check_ranges()


def hints(cls: type[Config]) -> dict[str, Any]:
    """The annotation of each field that a class is made with. Raises UserError where one cannot
    be resolved.

    A name that its module imports for type checkers alone is that of a registered class.
    """
    names: dict[str, Any] | None
    for names in (None, {**Config.registered}):
        try:
            found = get_type_hints(cls, localns=names, include_extras=True)
            return {f.name: found[f.name] for f in fields(cls) if f.init}  # type: ignore[arg-type]
        except NameError as error:
            unknown = error
    annotated = [item for base in cls.__mro__ for item in inspect.get_annotations(base).items()]
    which = next((f"{n}: {text}" for n, text in annotated if str(unknown.name) in str(text)), "")
    raise UserError(
        f"the annotation {which} of class {cls.__name__} cannot be resolved: {unknown}; import it"
    )


def _check_fields(config: Config) -> None:
    own_hints, adapter = _checked(type(config))  # type: ignore[arg-type]
    values = {name: getattr(config, name) for name in own_hints}
    try:
        adapter.validate_python(tuple(values.values()))
    except ValidationError as error:
        name = list(values)[int(error.errors()[0]["loc"][0])]
        raise _sentence(config, name, own_hints[name], error) from None
    defaults = {f.name: f.default for f in fields(config)}  # type: ignore[arg-type]
    for name, value in values.items():
        if not _is_plain(value):
            raise _sentence(config, name, own_hints[name])
        if name in config.paths and value == "" and defaults[name] is MISSING:
            raise UserError(f"{type(config).__name__}.{name} is empty; give a path")


@cache
def _checked(cls: type[Config]) -> tuple[dict[str, Any], TypeAdapter[Any]]:
    """The annotations of a class, and what checks a tuple of its values, one per field."""
    found = hints(cls)
    row: Any = types.GenericAlias(tuple, tuple(found.values()))
    return found, TypeAdapter(row, config=STRICT)


def _sentence(
    config: Config, name: str, hint: Any, error: ValidationError | None = None
) -> UserError:
    """The error of a field: a number out of its range, or a value unlike its annotation."""
    for problem in error.errors() if error else ():
        bound = problem.get("ctx", {})
        if bound.keys() & BOUNDS.keys():
            words, number = _range(hint, bound), problem["input"]
            return UserError(f"{config}: {name} must be {words}, not {number}")
    where = f"{type(config).__name__}.{name}"
    value = getattr(config, name)
    such = f", such as {value.value!r}" if isinstance(value, Enum) else ""
    return UserError(f"{where} is {value!r}; it must be {_wanted(hint)}{such}")


def _range(hint: Any, broken: dict[str, float]) -> str:
    """The range in an annotation that has a bound, in words."""
    (key, number), *_ = broken.items()
    found = next(each for each in _intervals(hint) if getattr(each, key) == number)
    if found.ge is not None and found.le is not None:
        return f"from {found.ge} to {found.le}"
    bounds = [(words, getattr(found, key)) for key, words in BOUNDS.items()]
    return " and ".join(f"{words} {at}" for words, at in bounds if at not in (None, math.inf))


def _intervals(hint: Any) -> Iterator[Interval]:
    if isinstance(hint, Interval):
        yield hint
    for part in get_args(hint):
        yield from _intervals(part)


def _is_plain(value: object) -> bool:
    """True of a value that JSON can hold, configs by their fields.

    A member of an Enum that is a text, too, would come back as the text alone.
    """
    if isinstance(value, Enum):
        return False
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(
            isinstance(key, str) and _is_plain(key) and _is_plain(item)
            for key, item in value.items()
        )
    return value is None or isinstance(value, str | int | float | Config)


def _wanted(hint: Any) -> str:
    """An annotation in words."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _wanted(args[0])
    if origin in (Union, types.UnionType):
        return " or ".join(map(_wanted, args))
    if origin is Literal:
        return " or ".join(map(repr, args))
    if origin is tuple and args[1:] == (...,):
        return f"a tuple, each item {_wanted(args[0])}"
    if origin is tuple:
        return f"a tuple of {', '.join(map(_wanted, args))}"
    if origin is dict:
        return f"a dict from {_wanted(args[0])} to {_wanted(args[1])}"
    if origin is list:
        as_tuple = types.GenericAlias(tuple, (args[0], ...))
        return f"a tuple, annotated {as_tuple} in place of {hint}"
    if hint in WORDS:
        return WORDS[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        values = ", ".join(repr(member.value) for member in hint)
        return f"plain, annotated Literal[{values}] in place of {hint.__name__}"
    if isinstance(hint, type) and issubclass(hint, Config):
        name, known = hint.__name__, ", ".join(choices(hint))
        return ("an " if name[0] in "AEIOU" else "a ") + name + (f" ({known})" if known else "")
    return "what JSON can hold"
