"""The `automl` command: its subcommands, each of which imports its work when it is called."""

from __future__ import annotations

from collections.abc import Callable

import typer

from automl.cli import (
    check,
    convert,
    doctor,
    elsewhere,
    look,
    predict,
    search_commands,
    streams,
    take,
)
from automl.cli.parameters import end
from automl.errors import UserError

LAUNCH, LOOK, TAKE, CHECK = "Launch", "Look", "Take", "Check"
COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "search": (search_commands.search, LAUNCH),
    "resume": (search_commands.resume, LAUNCH),
    "submit": (search_commands.submit, LAUNCH),
    "stop": (elsewhere.stop, LAUNCH),
    "list": (look.list_searches, LOOK),
    "status": (look.status, LOOK),
    "front": (look.front, LOOK),
    "explain": (look.explain, LOOK),
    "ui": (look.ui, LOOK),
    "sync": (elsewhere.sync, LOOK),
    "export": (take.export, TAKE),
    "predict": (predict.predict, TAKE),
    "serve": (predict.serve, TAKE),
    "measure": (take.measure, TAKE),
    "check": (check.check, CHECK),
    "convert": (convert.convert, CHECK),
    "doctor": (doctor.doctor, CHECK),
}
app = typer.Typer(
    help="Find the best compressed model for your data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for name, (function, panel) in COMMANDS.items():
    app.command(name, rich_help_panel=panel)(function)


def main() -> None:
    """Run the command. Exit 2 is the user's mistake, told in one sentence."""
    streams.open_missing()
    try:
        app()
    except UserError as error:
        end(f"error: {error}", 2)
    except KeyboardInterrupt:
        end("interrupted", 130)
    finally:
        streams.flush()
