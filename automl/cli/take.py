"""The commands that take a model away, and measure the file that was taken."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl.cli import render
from automl.cli.in_browser import BROWSER, InBrowser, show_in_browser
from automl.cli.measured_files import QUALITY, Beside, show_beside
from automl.cli.parameters import (
    BatchOption,
    HomeOption,
    JsonOption,
    Name,
    ProviderOption,
    ThreadsOption,
    home_of,
    takes_options,
)
from automl.engine.declared_options import checked
from automl.engine.wishes import Choice, TakenAs
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
    wishes = {**vars(checked(Choice, given)), **vars(checked(TakenAs, given))}
    exported = search.export(out, **wishes)
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
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE", help=".onnx, .pte, .tflite: exported or any other, in turn."
        ),
    ],
    provider: ProviderOption = "CPU",
    threads: ThreadsOption = 1,
    batch: BatchOption = 1,
    over: Annotated[
        str,
        typer.Option(
            metavar="ssh:USER@HOST",
            help="Measure on another machine, over SSH.",
            show_default="this machine",
        ),
    ] = "",
    python: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Measure with another Python, here or over SSH: it needs numpy and onnxruntime.",
            show_default="this one; over SSH python3",
        ),
    ] = None,
    browser: Annotated[
        bool,
        typer.Option(
            "--browser",
            rich_help_panel=BROWSER,
            help="Measure in a browser of this machine, without a window.",
        ),
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            rich_help_panel=BROWSER,
            help="Print an address to open in any browser, and listen here for its figures; "
            "127.0.0.1 is for this machine only.",
            show_default="a browser is opened",
        ),
    ] = None,
    onnxruntime_web: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=BROWSER,
            help="A copy of the npm package onnxruntime-web, its archive or folder.",
            show_default="fetched from npm's registry, once",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=QUALITY,
            help="Measure the quality, too: on every row of this file or folder.",
            show_default="none",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=QUALITY,
            help="The column of --data that is predicted.",
            show_default="found by its name where it can be",
        ),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=QUALITY,
            help="Compare with the front of this search, on its validation rows.",
            show_default="none",
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=QUALITY,
            help="Draw the files beside the search's front into this file, .svg or .png.",
            show_default="none",
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure size, load time and latency of files, here or where they are to run, and quality."""
    from automl.measure.file_times import Wanted, file_times
    from automl.measure.timed_elsewhere import place, timed_elsewhere
    from automl.measure.times_by_ending import are_of_own_formats, times_by_ending
    from automl.runtimes.onnx import OnnxRuntime
    from automl.runtimes.providers import provider_named

    asked = Beside(tuple(files), data, target, search, picture)
    if asked.is_wanted:
        is_plain = (provider, threads, batch) == ("CPU", 1, 1)
        is_plain &= not (over or python or browser or host or onnxruntime_web)
        show_beside(asked, is_plain, home, as_json)
        return
    if browser or host or onnxruntime_web:
        in_browser = InBrowser(tuple(files), batch, browser, host, onnxruntime_web)
        is_plain = not (over or python) and (provider, threads) == ("CPU", 1)
        show_in_browser(in_browser, is_plain, home, as_json)
        return
    is_elsewhere = bool(over or python)
    # Which providers another onnxruntime has is known there.
    name = provider if is_elsewhere else provider_named(provider)
    wanted = Wanted(tuple(files), OnnxRuntime(name, threads=threads, batch=batch))
    if are_of_own_formats(files):
        if is_elsewhere:
            raise UserError("--over and --python measure .onnx files alone; leave the others out")
        timed = times_by_ending(files, wanted.runtime)
    else:
        timed = timed_elsewhere(place(over, python), wanted) if is_elsewhere else file_times(wanted)
    if as_json:
        render.as_json(timed.as_json())
    else:
        render.timed_files(timed)
