"""The commands that take a model away, and measure the file that was taken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.cli import render
from automl.cli.in_browser import InBrowser, in_browser
from automl.cli.measured_files import WithQuality, show_quality
from automl.cli.parameters import (
    BatchOption,
    HomeOption,
    JsonOption,
    Name,
    ProviderOption,
    ThreadsOption,
    home_of,
    takes_options,
    takes_options_of,
)
from automl.engine.declared_options import Shown, checked
from automl.engine.search_options import GENERAL
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
    from automl.runtimes.onnx import ONE_THREAD
    from automl.tracking.pages import formats

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
    told = [f"{name} {formats.figure(name, figures.test[name])}" for name in figures.intervals]
    of = "a row" if figures.latency_of == ONE_THREAD.words else f"for {figures.latency_of}"
    print(f"on test rows: {', '.join(told)}, {figures.test['latency_ms']:.4f} ms {of}")
    for note in exported.notes:
        print(f"note: {note}")


@dataclass(frozen=True)
class Elsewhere:
    """The options that say which other machine, or which other Python, measures."""

    over: Annotated[
        str | None,
        Shown(
            GENERAL,
            "Measure on another machine, over SSH.",
            "this machine",
            metavar="ssh:USER@HOST",
        ),
    ] = None
    python: Annotated[
        str | None,
        Shown(
            GENERAL,
            "Measure with another Python, here or over SSH: it needs numpy and onnxruntime.",
            "this one; over SSH python3",
            metavar="PATH",
        ),
    ] = None

    @property
    def is_wanted(self) -> bool:
        return bool(self.over or self.python)


@takes_options_of(Elsewhere, InBrowser, WithQuality)
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
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
    **given: object,
) -> None:
    """Measure size, load time and latency of files, here or where they are to run, and quality."""
    elsewhere, browser = checked(Elsewhere, given), checked(InBrowser, given)
    quality = checked(WithQuality, given)
    is_usual = (provider, threads) == ("CPU", 1) and not elsewhere.is_wanted
    if quality.is_wanted:
        quality.check(is_usual and batch == 1 and not browser.is_wanted)
        show_quality(tuple(files), quality, home_of(home), as_json)
        return
    if browser.is_wanted:
        browser.check(is_usual)
        timed = in_browser(tuple(files), batch, browser, home_of(home))
    else:
        timed = _by_onnxruntime(tuple(files), (provider, threads, batch), elsewhere)
    if as_json:
        render.as_json(timed.as_json())
    else:
        render.timed_files(timed)


def _by_onnxruntime(
    files: tuple[Path, ...], settings: tuple[str, int, int], elsewhere: Elsewhere
) -> TimedFiles:
    """Files timed with the provider, threads and batch of these settings; those of other formats
    on runtimes of their own. Raises UserError."""
    from automl.measure.file_times import Wanted, file_times
    from automl.measure.timed_elsewhere import place, timed_elsewhere
    from automl.measure.times_by_ending import are_of_own_formats, times_by_ending
    from automl.runtimes.onnx import OnnxRuntime
    from automl.runtimes.providers import provider_named

    provider, threads, batch = settings
    # Which providers another onnxruntime has is known there.
    name = provider if elsewhere.is_wanted else provider_named(provider)
    runtime = OnnxRuntime(name, threads=threads, batch=batch)
    has_own_formats = are_of_own_formats(files)
    if elsewhere.is_wanted and has_own_formats:
        raise UserError("--over and --python measure .onnx files alone; leave the others out")
    if has_own_formats:
        return times_by_ending(files, runtime)
    if elsewhere.is_wanted:
        where = place(elsewhere.over, elsewhere.python)
        return timed_elsewhere(where, Wanted(files, runtime))
    return file_times(Wanted(files, runtime))
