"""Fields of dataclasses as options: described, checked, and shown in a function's signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import ParamSpec, TypeVar, get_type_hints

from automl.errors import UserError

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Shown:
    """Everything that the command line shows of an option, and the commands that take it.

    `default` says in words what None stands for, and `defaults` does so for a command, where
    commands differ. `flag` is the name on the command line where
    it is not the field's, and `reads` the type there, where Python takes other values.
    """

    panel: str
    help: str
    default: str = ""
    commands: tuple[str, ...] = ("search", "submit")
    flag: str = ""
    metavar: str | None = None
    reads: object = None
    defaults: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Declared:
    """An option as its field declares it: its name, type, default and what is shown of it."""

    name: str
    type: object
    default: object
    shown: Shown

    @property
    def flag(self) -> str:
        return self.shown.flag or "--" + self.name.replace("_", "-")

    def kept(self) -> Declared:
        """The option of a command that leaves it as it was unless it is given."""
        return replace(self, default=None, shown=replace(self.shown, default="as it was"))

    def in_command(self, command: str) -> Declared:
        """The option as one command shows it."""
        default = dict(self.shown.defaults).get(command, self.shown.default)
        return replace(self, shown=replace(self.shown, default=default))


def options_of(*classes: type) -> Iterator[Declared]:
    """The options that dataclasses declare, each field annotated with a `Shown`."""
    for cls in classes:
        yield from _options(cls)


@cache
def _options(cls: type) -> tuple[Declared, ...]:
    """The options of one class: every command's are asked for whenever one is run."""
    hints, plain = get_type_hints(cls, include_extras=True), get_type_hints(cls)
    found = []
    for f in fields(cls):
        (shown,) = (part for part in hints[f.name].__metadata__ if isinstance(part, Shown))
        found.append(Declared(f.name, plain[f.name], f.default, shown))
    return tuple(found)


def checked(cls: type[T], values: Mapping[str, object]) -> T:
    """An options class with these values. Raises UserError on a wrong type or range."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        wrong = error.errors()[0]
        (flag,) = (option.flag for option in options_of(cls) if option.name == wrong["loc"][0])
        sentence = (
            wrong["msg"].replace("Input", "it").replace("greater than or equal to", "at least")
        )
        raise UserError(f"{flag} {wrong['input']}: {sentence}") from None


def show_options(
    options: Iterable[Declared],
    annotation: Callable[[Declared], object] = lambda option: option.type,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Show options in the signature of a function, in place of its `**options`.

    `annotation` makes the annotation of an option's parameter, its type unless given.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind != p.VAR_KEYWORD]
        first = [p for p in own if p.kind != p.KEYWORD_ONLY]
        made = [
            inspect.Parameter(
                option.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=option.default,
                annotation=annotation(option),
            )
            for option in options
        ]
        parameters = [*first, *made, *own[len(first) :]]
        function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return function

    return decorate
