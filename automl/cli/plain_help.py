"""Commands whose help says what a value is in plain words, and that end in one word on Ctrl-C."""

from __future__ import annotations

from typing import TypeVar

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from automl.cli.parameters import end

T = TypeVar("T")
WORDS = {
    "<bool>": "",
    "<str>": "TEXT",
    "<int>": "NUMBER",
    "<float>": "NUMBER",
    "<int range>": "NUMBER",
    "<path>": "PATH",
}


class PlainCommand(TyperCommand):
    """A command whose help is plain."""

    def get_params(self, ctx: typer.Context) -> list[object]:  # type: ignore[override]
        return [_plain(param, ctx) for param in super().get_params(ctx)]


class PlainGroup(TyperGroup):
    """A group of commands whose help is plain; Ctrl-C ends each of them with a word."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # Typer would end the program with the same code, and say nothing.
            end("interrupted", 130)

    def get_params(self, ctx: typer.Context) -> list[object]:  # type: ignore[override]
        return [_plain(param, ctx) for param in super().get_params(ctx)]


def _plain(param: T, ctx: typer.Context) -> T:
    """A parameter that shows no type that a reader of the help need not know."""
    if isinstance(param, TyperArgument):
        # Its name and its help say what it is.
        param.display_type_rich = lambda ctx: ""  # type: ignore[method-assign]
    elif isinstance(param, TyperOption) and param.metavar is None:
        param.metavar = WORDS[param.display_type(ctx)]
    return param
