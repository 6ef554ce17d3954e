"""The commands that take a model away, and measure the file that was taken."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.cli import render
from automl.cli.parameters import HomeOption, JsonOption, Name, home_of, takes_options
from automl.engine.declared_options import checked
from automl.engine.wishes import Choice, TakenAs
from automl.errors import UserError

if TYPE_CHECKING:
    from automl.measure.file_times import TimedFiles


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
        typer.Argument(metavar="FILE", help="Exported .onnx files, timed in turn."),
    ],
    provider: Annotated[
        str, typer.Option(help="Execution provider of onnxruntime: CPU, CUDA, OpenVINO, Xnnpack...")
    ] = "CPU",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the processor.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Rows of a call.")] = 1,
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
        typer.Option("--browser", help="Measure in a browser of this machine, without a window."),
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="With --browser: print an address to open in any browser, and listen here for "
            "its figures; 127.0.0.1 is for this machine only.",
            show_default="a browser is opened",
        ),
    ] = None,
    onnxruntime_web: Annotated[
        Path | None,
        typer.Option(
            help="With --browser: a copy of the npm package, its archive or folder.",
            show_default="fetched from npm's registry, once",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure size, load time and latency of exported files, here or where they are to run."""
    if browser or host or onnxruntime_web:
        others = {"provider": provider != "CPU", "threads": threads != 1, "over": over}
        _check_browser(
            browser, [name for name, given in {**others, "python": python}.items() if given]
        )
        in_browser = _in_browser(files, batch, host, onnxruntime_web)
        if as_json:
            render.as_json(in_browser.as_json())
        else:
            render.timed_files(in_browser)
        return
    from automl.engine.timed_elsewhere import place, timed_elsewhere
    from automl.measure.file_times import Wanted, file_times
    from automl.runtimes.onnx import OnnxRuntime
    from automl.runtimes.providers import provider_named

    is_elsewhere = bool(over or python)
    # Which providers another onnxruntime has is known there.
    name = provider if is_elsewhere else provider_named(provider)
    wanted = Wanted(tuple(files), OnnxRuntime(name, threads), batch)
    timed = timed_elsewhere(place(over, python), wanted) if is_elsewhere else file_times(wanted)
    if as_json:
        render.as_json(timed.as_json())
    else:
        render.timed_files(timed)


def _check_browser(is_wanted: bool, others: list[str]) -> None:
    """Raise UserError where options do not go together."""
    if not is_wanted:
        raise UserError("--host and --onnxruntime-web go with --browser; add it")
    if others:
        raise UserError(
            f"--browser runs files by onnxruntime-web, on one thread; leave out --{others[0]}"
        )


def _in_browser(files: list[Path], batch: int, host: str | None, given: Path | None) -> TimedFiles:
    from automl.measure.in_browser import WantedInBrowser, times_in_browser
    from automl.web.onnxruntime_web import onnxruntime_web

    def say(address: str) -> None:
        print(f"open {address} in a browser; Ctrl-C ends it", file=sys.stderr, flush=True)

    runtime = onnxruntime_web(home_of(None).cache, given)
    return times_in_browser(WantedInBrowser(tuple(files), runtime, batch, host, say))
