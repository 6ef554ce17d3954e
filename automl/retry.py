"""Retries of work that fails for a while: what a network reaches is away at times."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import tenacity

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE_SECONDS = 120.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 5.0


def patient(passes: Callable[[BaseException], bool]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Do the work again, for up to two minutes, as long as it raises what may pass by itself.

    The pauses double from a quarter of a second to five. The decorated function raises the
    last error.
    """
    return tenacity.retry(
        retry=tenacity.retry_if_exception(passes),
        wait=tenacity.wait_exponential(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS),
        stop=tenacity.stop_before_delay(PATIENCE_SECONDS),
        reraise=True,
    )
