"""The request that a live search end: Ctrl-C, a termination signal or `automl stop`."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path


def file_in(folder: Path) -> Path:
    """The file in a search's folder whose presence asks the live run to end."""
    return folder / "stop"


@contextlib.contextmanager
def listening(file: Path) -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether the search was asked to end: by a signal, or the file.

    A second Ctrl-C ends the search at once.
    """
    asked = threading.Event()
    file.unlink(missing_ok=True)
    numbers = (signal.SIGINT, signal.SIGTERM)
    in_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in numbers}

    def ask(number: int, frame: object) -> None:
        asked.set()
        signal.signal(number, before[signal.Signals(number)])

    if in_main:
        for number in numbers:
            signal.signal(number, ask)
    try:
        yield lambda: asked.is_set() or file.exists()
    finally:
        file.unlink(missing_ok=True)
        if in_main:
            for number in numbers:
                signal.signal(number, before[number])
