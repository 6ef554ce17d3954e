"""The commands before a first search: a space written for data, and what the presets stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl.cli import render
from automl.cli.parameters import HomeOption, JsonOption, home_of, takes_options
from automl.engine.declared_options import checked
from automl.engine.wishes import OwnData
from automl.errors import UserError


@takes_options("init")
def init(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A .csv, .tsv, .parquet, .npz or .ts file, a .jsonl of texts, a folder of "
            "pictures, or an archive of one.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write.", show_default="the data's name, with _space.py"),
    ] = None,
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
    **given: object,
) -> None:
    """Write the space file that `automl search DATA` would search, to read and to edit."""
    from automl.engine import own_data, presets, space_source

    if not space_source.is_own_data(data):
        raise UserError(f"{data} is no file or folder of data; give one, e.g. my.csv or photos/")
    wishes = checked(OwnData, given)
    found = own_data.space_for(data, wishes, home_of(home))
    file = out or Path(f"{space_source.name_of(Path(data))}_space.py")
    _write(file, found.text)
    minutes = presets.preset(wishes.preset).minutes
    command = f"automl search {file} --minutes {minutes:g}"
    if as_json:
        render.as_json({"out": str(file), "told": list(found.told), "command": command})
        return
    print("\n".join(found.told))
    print(f"{file} holds the space; read it, edit it, then: {command}")


def presets(as_json: JsonOption = False) -> None:
    """Tell what each --preset stands for: minutes, models, compression, objectives."""
    from automl.engine.presets import DEFAULT, PRESETS

    if as_json:
        render.as_json({"presets": {w: {**vars(p)} for w, p in PRESETS.items()}})
        return
    for word, preset in PRESETS.items():
        print(f"{word}{' (the default)' * (word == DEFAULT)}: {preset.purpose}")
        for name, fact in preset.facts().items():
            print(f"  {name:12} {fact}")


def _write(file: Path, text: str) -> None:
    """Write a new file. Raises UserError where there is one, or none can be."""
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise UserError(f"{file} is there already; remove it, or give another --out") from None
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror}") from None
