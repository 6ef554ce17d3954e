"""The `automl` command: its subcommands, each of which imports its work when it is called."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NamedTuple, NoReturn

import typer

from automl.cli import (
    check,
    convert,
    doctor,
    elsewhere,
    look,
    predict,
    profile,
    search_commands,
    start,
    streams,
    take,
)
from automl.cli.parameters import end
from automl.cli.plain_help import PlainCommand, PlainGroup
from automl.errors import UserError

NAME = "automl"
START, LAUNCH, LOOK, TAKE, CHECK = "Start", "Launch", "Look", "Take", "Check"


class Command(NamedTuple):
    """A subcommand: its function, its panel in the help, and an example of its use."""

    function: Callable[..., None]
    panel: str
    example: str


COMMANDS = {
    "init": Command(start.init, START, "automl init houses.csv --target price --out houses.py"),
    "presets": Command(start.presets, START, "automl presets"),
    "search": Command(
        search_commands.search, LAUNCH, "automl search houses.csv --target price --preset fast"
    ),
    "resume": Command(search_commands.resume, LAUNCH, "automl resume houses --minutes 30"),
    "submit": Command(
        search_commands.submit,
        LAUNCH,
        "automl submit space.py --address http://HEAD:8265 --home /shared/automl --trials 200",
    ),
    "stop": Command(elsewhere.stop, LAUNCH, "automl stop houses"),
    "list": Command(look.list_searches, LOOK, "automl list"),
    "status": Command(look.status, LOOK, "automl status houses"),
    "front": Command(look.front, LOOK, "automl front houses --html front.html"),
    "explain": Command(look.explain, LOOK, "automl explain houses --knee --html why.html"),
    "ui": Command(look.ui, LOOK, "automl ui houses --port 5001"),
    "sync": Command(elsewhere.sync, LOOK, "automl sync houses --tracking-uri http://HOST:5000"),
    "export": Command(
        take.export, TAKE, 'automl export houses --where "size_bytes<=20000" --out model'
    ),
    "predict": Command(predict.predict, TAKE, "automl predict model new.csv --out answers.csv"),
    "serve": Command(predict.serve, TAKE, "automl serve model"),
    "measure": Command(take.measure, TAKE, "automl measure model/model.onnx"),
    "profile": Command(profile.profile, TAKE, "automl profile model --picture layers.svg"),
    "check": Command(check.check, CHECK, "automl check space.py --run"),
    "convert": Command(convert.convert, CHECK, "automl convert net.pt net.safetensors"),
    "doctor": Command(doctor.doctor, CHECK, "automl doctor --gpus-per-trial 1"),
}
HELP = (
    "Find the best compressed model for your data.\n\n"
    "A space says what may vary: model, training, compression. A trial is one way through it: "
    "trained, compressed, written as an ONNX file, measured. The front holds the trials that no "
    "other one equals or beats in every figure, such as accuracy, bytes and latency."
)
EPILOG = (
    "Begin with a table, a folder of pictures or a set of texts: automl search my.csv\n\n"
    "Exit codes: 0 done, 1 failed, 2 a mistake of yours, told in one sentence, 130 interrupted."
)
app = typer.Typer(
    cls=PlainGroup,
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for name, command in COMMANDS.items():
    epilog = f"Example: {command.example}"
    made = app.command(name, cls=PlainCommand, rich_help_panel=command.panel, epilog=epilog)
    made(command.function)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        print(f"{NAME} {version('frontier-automl')}")
        raise typer.Exit


@app.callback()
def general(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Tell the version."),
    ] = False,
) -> None:
    """The options of the command itself."""


def main() -> None:
    """Run the command. Exit 2 is the user's mistake, told in one sentence."""
    try:
        _run()
    except SystemExit as ending:
        if "automl.cluster.own_ray" in sys.modules:
            from automl.cluster import own_ray

            own_ray.leave(ending.code if isinstance(ending.code, int) else 1)
        raise


def _run() -> None:
    streams.open_missing()
    streams.replace_unknown()
    with streams.kept_for_objects("--json" in sys.argv[1:]):
        _answer()


def _answer() -> None:
    """Run the command, its streams in order."""
    try:
        _check_folder()
        sys.exit(app(prog_name=NAME, standalone_mode=False) or 0)
    except typer.TyperException as error:
        _refuse(error)
    except UserError as error:
        end(f"error: {error}", 2)
    finally:
        streams.flush()


def _check_folder() -> None:
    """Raise UserError where the current folder was deleted: no relative path means anything."""
    try:
        Path.cwd()
    except OSError as error:
        raise UserError(
            f"the current folder cannot be read ({error.strerror}); go to another, as with cd ~"
        ) from None


def _refuse(error: typer.TyperException) -> NoReturn:
    """End the command with a sentence on words that it does not take."""
    sentence = error.format_message().rstrip(".")
    if not sentence:
        # The help was printed: no command was given.
        sys.exit(error.exit_code)
    context, option = vars(error).get("ctx"), vars(error).get("option_name")
    flags = (
        [f for p in context.command.params for f in p.opts + p.secondary_opts] if context else []
    )
    if option and context and option not in flags:
        near = difflib.get_close_matches(option, flags, n=1)
        sentence = f"unknown option {option}" + (f"; did you mean {near[0]}?" if near else "")
    help_of = context.command_path if context else NAME
    end(f"error: {sentence} ({help_of} --help tells more)", 2)
