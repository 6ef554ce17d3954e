"""The time that a search has for a trial, and what the pace of its training makes of that."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from automl.errors import Rejected

LEAST_PROBE_SECONDS = 1.0
PROBE_SHARE = 0.02
"""The share of a trial's time after which its pace is known."""
LAST_PART = 1.5
"""A trial takes all the time that is left where that is less than so many fair shares."""
TOO_LATE = 0.2
"""The share of a training from which on it is cut off rather than begun again."""
TIME_UP = "the search's time was up"
CUT_SHORT = "cut short"
"""The beginning of what is told of a trial whose training ended as time was up."""
NO_TIME = "there is no time for it"
"""The beginning of the reason of a trial that could not be trained at all in its time."""


class NoTime(Rejected):
    """A trial for whose shortest training there is no time, with what to change."""


class Countdown:
    """The seconds up to a moment.

    Sent to another process, the seconds left go along: clocks of two machines may differ, and
    what waits to be sent loses time meanwhile.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.until = now() + seconds

    def seconds_left(self) -> float:
        return self.until - self.now()

    def __reduce__(self) -> tuple[type[Countdown], tuple[float]]:
        return Countdown, (self.seconds_left(),)


@dataclass(frozen=True)
class TimeLimit:
    """The limits of one trial's time.

    `left` counts down to the end of all training. A trial is to take no more than `fair_seconds`,
    so that others have their share; of these it needs `finishing_seconds` for export, gate and
    measuring. With less than `least_seconds` left it does not begin. Where it `takes_stored` a
    shortened training that another trial has made will do.
    """

    left: Countdown
    fair_seconds: float
    finishing_seconds: float = 0.0
    least_seconds: float = 0.0
    takes_stored: bool = True

    def seconds(self) -> float:
        """The seconds that a trial which begins now is to take."""
        left = max(0.0, self.left.seconds_left())
        return left if left < LAST_PART * self.fair_seconds else self.fair_seconds


class TrialTime:
    """The time of a trial that has begun; without a limit it has all the time that it needs."""

    def __init__(self, limit: TimeLimit | None) -> None:
        self.limit = limit
        self.now = limit.left.now if limit else time.monotonic
        self.seconds, self.started = limit.seconds() if limit else 0.0, self.now()
        self.has_ended = False

    def end(self) -> None:
        """Have all training end now."""
        self.has_ended = True

    def is_too_late(self) -> bool:
        """Tell whether it is not worth to begin."""
        return self.limit is not None and self.seconds_left() < self.limit.least_seconds

    def is_up(self) -> bool:
        """Tell whether no training is to go on."""
        return self.seconds_left() <= 0

    def seconds_left(self) -> float:
        """The seconds until all training ends."""
        if self.has_ended:
            return 0.0
        return self.limit.left.seconds_left() if self.limit else math.inf

    def training_seconds_left(self) -> float:
        """The seconds that the trial's trainings are to take from now on."""
        assert self.limit is not None
        most = max(self.seconds - self.limit.finishing_seconds, self.seconds / 2)
        return most - (self.now() - self.started)


@dataclass
class Pace:
    """The pace of one step's training.

    `passes` are those of a row through the network in the whole training, `all_passes` those of
    all that is to be trained from this step on. The training ends where time is up: `is_cut`.
    Where it `may_shorten` and all trainings would take more than their time, it ends as soon as
    that is known: `is_too_slow`. `done` is the share of the training that is done,
    `seconds_per_pass` are 0 until they are known.
    """

    time: TrialTime
    passes: float
    all_passes: float
    may_shorten: bool
    done: float = 0.0
    seconds_per_pass: float = 0.0
    is_cut: bool = False
    is_too_slow: bool = False
    _since: tuple[float, float] | None = field(default=None, repr=False)

    def goes_on(self, done: float) -> bool:
        """Tell whether a training goes on of which this share is done; not once it has ended."""
        if self.is_cut or self.is_too_slow:
            return False
        self.done = done
        if self.time.is_up():
            self.is_cut = True
        elif not self.seconds_per_pass:
            self._look(self.time.now())
        return not (self.is_cut or self.is_too_slow)

    def _look(self, now: float) -> None:
        """Find the pace, once enough of the training is done; the first batch does not count, as
        it is slower than others."""
        if not self.done:
            return
        if self._since is None:
            self._since = now, self.done
            return
        seconds, share = now - self._since[0], self.done - self._since[1]
        if share <= 0 or seconds < max(LEAST_PROBE_SECONDS, PROBE_SHARE * self.time.seconds):
            return
        self.seconds_per_pass = seconds / (share * self.passes)
        if self.may_shorten and self.done < TOO_LATE:
            later = self.all_passes - self.done * self.passes
            self.is_too_slow = later * self.seconds_per_pass > self.time.training_seconds_left()
