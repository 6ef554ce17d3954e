"""The parameters of commands: those that all share, and those made from declared options."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, ParamSpec, TypeVar

import typer

from automl.cli import streams
from automl.engine import search_options
from automl.engine.declared_options import Declared, options_of, show_options
from automl.errors import UserError

if TYPE_CHECKING:
    from automl.home import Home

P = ParamSpec("P")
R = TypeVar("R")
HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="Folder that keeps all searches.",
        rich_help_panel=search_options.STORAGE,
        show_default="$AUTOML_HOME or ./automl-home",
    ),
]
ProviderOption = Annotated[
    str, typer.Option(help="Execution provider of onnxruntime: CPU, CUDA, OpenVINO, Xnnpack...")
]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Threads of the processor.")]
BatchOption = Annotated[int, typer.Option(min=1, help="Rows of a call.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
ServingJsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print the addresses as one JSON object, then serve until Ctrl-C."),
]
LogJsonOption = Annotated[
    bool,
    typer.Option(
        "--log-json",
        help="Tell the progress as JSON, a line for each event, with the trial's id.",
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The search's name.")]
SpaceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SPACE",
        help="A space file (.py), or the name of a shipped space, e.g. digits. `automl init` "
        "writes one for data of your own.",
    ),
]
SpaceOrDataArgument = Annotated[
    str,
    typer.Argument(
        metavar="SPACE|DATA",
        help="Data of your own: a .csv, .tsv, .parquet, .npz or .ts file, a .jsonl of texts, a "
        "folder of pictures, or an archive of one; or a space file (.py), or the name of a shipped "
        "space, e.g. digits.",
    ),
]


def takes_options(command: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a function the Typer parameters of a command's declared options, for its `**given`."""
    return show_options(search_options.declared(command).values(), _annotation)


def takes_options_of(*classes: type) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a function the Typer parameters of the options that classes declare, for `**given`."""
    return show_options(options_of(*classes), _annotation)


def _annotation(option: Declared) -> object:
    """The annotation that makes Typer take an option, with its default in words."""
    shown = option.shown
    # Typer makes --reuse and --no-reuse of a flag that is set unless taken back.
    flags = [] if option.default is True else [option.flag]
    made = typer.Option(
        *flags,
        help=shown.help,
        metavar=shown.metavar,
        rich_help_panel=shown.panel,
        show_default=shown.default or True,
    )
    return Annotated[shown.reads or option.type, made]


def assignments(sets: object) -> dict[str, str]:
    """The paths and values in a list of `--set PATH=VALUE`. Raises UserError on one without `=`."""
    items = [str(item) for item in sets] if isinstance(sets, list) else []
    for item in items:
        if "=" not in item:
            raise UserError(f"--set {item}: write PATH=VALUE")
    return dict(item.split("=", 1) for item in items)


def home_of(path: Path | None) -> Home:
    """The home of all searches that a command was given, or the default one."""
    from automl.home import home_at

    return home_at(path)


def end(sentence: str, code: int) -> NoReturn:
    """End the command with a sentence on standard error."""
    try:
        print(sentence, file=sys.stderr)
    except BrokenPipeError:
        streams.hang_up(sys.stderr)
    sys.exit(code)
