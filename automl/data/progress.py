"""The progress of work on data that takes long, told on standard error, a line every so often."""

from __future__ import annotations

import math
import sys
import time

LINE_SECONDS = 10.0
"""Work that takes less says nothing."""


class Progress:
    """Counts what is done of `total` things, of which `before` were found done."""

    def __init__(self, what: str, total: int, before: int = 0) -> None:
        self.what, self.total, self.before = what, total, before
        self.started_at = time.monotonic()
        self.next_line = self.started_at + LINE_SECONDS

    def tell(self, done: int) -> None:
        """Say how much is done by now, unless that was said just before."""
        now = time.monotonic()
        if now < self.next_line:
            return
        self.next_line = now + LINE_SECONDS
        left = (now - self.started_at) * (self.total - done) / max(1, done - self.before)
        line = f"{self.what}: {done:,} of {self.total:,}, about {_minutes(left)} left"
        print(line, file=sys.stderr, flush=True)


def _minutes(seconds: float) -> str:
    return f"{math.ceil(seconds)} s" if seconds < 90 else f"{seconds / 60:.0f} min"
