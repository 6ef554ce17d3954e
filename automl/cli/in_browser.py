"""The command that measures files in a browser: what goes together, and what is shown."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from automl.cli import render
from automl.cli.parameters import home_of
from automl.errors import UserError

BROWSER = "In a browser"


@dataclass(frozen=True)
class InBrowser:
    """The files to measure in a browser, how many rows make a call, where it is opened, and a copy
    of onnxruntime-web."""

    files: tuple[Path, ...]
    batch: int
    is_wanted: bool
    host: str | None
    onnxruntime_web: Path | None


def show_in_browser(asked: InBrowser, is_plain: bool, home: Path | None, as_json: bool) -> None:
    """Measure, and print the figures; `is_plain` where nothing else says what runs the files.

    Raises UserError where options do not go together.
    """
    from automl.measure.in_browser import WantedInBrowser, times_in_browser
    from automl.web.onnxruntime_web import onnxruntime_web

    if not asked.is_wanted:
        raise UserError("--host and --onnxruntime-web go with --browser; add it")
    if not is_plain:
        raise UserError(
            "--browser runs files by onnxruntime-web, on one thread; leave out --provider, "
            "--threads, --over and --python"
        )
    runtime = onnxruntime_web(home_of(home).cache, asked.onnxruntime_web)
    timed = times_in_browser(WantedInBrowser(asked.files, runtime, asked.batch, asked.host, _say))
    if as_json:
        render.as_json(timed.as_json())
    else:
        render.timed_files(timed)


def _say(address: str) -> None:
    print(f"open {address} in a browser; Ctrl-C ends it", file=sys.stderr, flush=True)
