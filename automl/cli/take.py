"""The commands that take a model away, and measure the file that was taken."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl.cli import render
from automl.cli.parameters import HomeOption, JsonOption, Name, home_of, takes_options
from automl.engine.declared_options import checked
from automl.engine.wishes import Choice
from automl.errors import UserError


@takes_options("export")
def export(
    name: Name,
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
    **given: object,
) -> None:
    """Write a model of the front to a folder: ONNX file, card, predict.py, test figures."""
    from automl.engine import searches

    place = home_of(home)
    search = searches.Search(searches.open_study(place, name), place)
    exported = search.export(out, **vars(checked(Choice, given)))
    if as_json:
        render.as_json(exported.as_json())
        return
    figures = exported.figures
    print(f"trial {exported.trial_id} in {out}:")
    for file, size in exported.files.items():
        print(f"  {file:18} {size:>9} bytes")
    quality = ", ".join(f"{name} {figures.test[name]:.4f}" for name in figures.intervals)
    print(f"on test rows: {quality}, {figures.test['latency_ms']:.4f} ms a row")
    for note in exported.notes:
        print(f"note: {note}")


def measure(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An exported .onnx file.")],
    as_json: JsonOption = False,
) -> None:
    """Measure size, load time and latency of an exported file, on this machine."""
    from automl.measure.measurement import machine, measure_file

    if not file.is_file():
        raise UserError(f"there is no file {file}; check the path")
    figures = measure_file(file)
    if as_json:
        render.as_json({**figures, "machine": machine()})
    else:
        render.table([figures])
