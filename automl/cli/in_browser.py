"""The options to measure files in a browser: what goes together, and what is measured then."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from automl.engine.declared_options import Shown
from automl.errors import UserError

if TYPE_CHECKING:
    from automl.home import Home
    from automl.measure.file_times import TimedFiles

BROWSER = "In a browser"


@dataclass(frozen=True)
class InBrowser:
    """The options that have a browser measure."""

    browser: Annotated[
        bool, Shown(BROWSER, "Measure in a browser of this machine, without a window.")
    ] = False
    host: Annotated[
        str | None,
        Shown(
            BROWSER,
            "Print an address to open in any browser, and listen here for its figures; "
            "127.0.0.1 is for this machine only.",
            "a browser is opened",
            metavar="ADDRESS",
        ),
    ] = None
    onnxruntime_web: Annotated[
        Path | None,
        Shown(
            BROWSER,
            "A copy of the npm package onnxruntime-web, its archive or folder.",
            "fetched from npm's registry, once",
        ),
    ] = None

    @property
    def is_wanted(self) -> bool:
        return any((self.browser, self.host, self.onnxruntime_web))

    def check(self, is_usual: bool) -> None:
        """Raise UserError on options that do not go together; `is_usual` where none of the others
        says what runs the files."""
        if not self.browser:
            raise UserError("--host and --onnxruntime-web go with --browser; add it")
        if not is_usual:
            raise UserError(
                "--browser runs files by onnxruntime-web, on one thread; leave out --provider, "
                "--threads, --over and --python"
            )


def in_browser(files: tuple[Path, ...], batch: int, asked: InBrowser, home: Home) -> TimedFiles:
    """The times of files in a browser, with a batch of so many rows. Raises UserError."""
    from automl.measure.in_browser import WantedInBrowser, times_in_browser
    from automl.web.onnxruntime_web import onnxruntime_web

    runtime = onnxruntime_web(home.cache, asked.onnxruntime_web)
    return times_in_browser(WantedInBrowser(files, runtime, batch, asked.host, _say))


def _say(address: str) -> None:
    print(f"open {address} in a browser; Ctrl-C ends it", file=sys.stderr, flush=True)
