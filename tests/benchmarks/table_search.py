"""A search whose trials a table knows, on the virtual clock: the hypervolume over its course."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from automl.space.space import TrialConfig
from automl.study.dispatcher import Dispatcher
from automl.study.simulator import Course, Event, simulate

WORKERS = 4
Figures: TypeAlias = dict[str, float]


@dataclass(frozen=True)
class Played:
    """A search as it went: `curve` holds pairs of what was spent and the share of the table's
    hypervolume from then on; trials were started, completed, and are paused at the end."""

    curve: list[tuple[float, float]]
    started: int
    complete: int
    paused: int


@dataclass(frozen=True)
class Limit:
    """The end of a search: at the first event at which more than so much is `spent`."""

    most: float
    spent: Callable[[Event], float]


def play(
    dispatcher_in: Callable[[Path], Dispatcher],
    course_of: Callable[[TrialConfig], Course],
    limit: Limit,
    share_of: Callable[[Sequence[Figures]], float],
) -> Played:
    """Play a search, which is written to a folder that is given to it, until its limit."""
    curve: list[tuple[float, float]] = [(0, 0.0)]
    points: list[Figures] = []
    with tempfile.TemporaryDirectory(dir=shared_memory()) as folder:
        dispatcher = dispatcher_in(Path(folder) / "study")
        for event in simulate(dispatcher, course_of, WORKERS):
            spent = limit.spent(event)
            if spent > limit.most:
                break
            result = event.record.result if event.record else None
            if result is not None and result.measurement is not None:
                points.append(result.measurement.figures)
                share = share_of(points)
                if share > curve[-1][1]:
                    curve.append((spent, share))
        started, paused = dispatcher.num_started, len(dispatcher.under_way.paused)
        dispatcher.close()
    return Played(curve, started, len(points), paused)


def shared_memory() -> str | None:
    """A folder in memory, where there is one: a journal of short trials is all writing."""
    folder = Path("/dev/shm")
    return str(folder) if folder.is_dir() else None


class EpochsKept:
    """Epochs of training that are kept, each of a training once."""

    def __init__(self) -> None:
        self.epochs: dict[str, int] = {}
        self.num_epochs = 0

    def is_new(self, training: str, epoch: int) -> bool:
        """Whether an epoch must be trained, which then is."""
        if epoch <= self.epochs.get(training, 0):
            return False
        self.epochs[training] = epoch
        self.num_epochs += 1
        return True
