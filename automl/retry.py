"""Work that is done again for a while when it fails: what a network reaches is away at times."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE_SECONDS = 120.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 5.0


def patient(passes: Callable[[Exception], bool]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Do it again, for up to two minutes, as long as it raises what may pass by itself."""

    def decorate(work: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(work)
        def patiently(*args: P.args, **kwargs: P.kwargs) -> T:
            until, pause = time.monotonic() + PATIENCE_SECONDS, FIRST_PAUSE_SECONDS
            while True:
                try:
                    return work(*args, **kwargs)
                except Exception as error:
                    if not passes(error) or time.monotonic() + pause > until:
                        raise
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

        return patiently

    return decorate
