"""A search on a virtual clock: the same proposals, stop rule and budget, any number of workers."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from automl.recipe import Report
from automl.space.space import TrialConfig
from automl.study.budget import Budget
from automl.study.dispatcher import Dispatcher
from automl.study.front import Front
from automl.study.record import TrialRecord
from automl.study.trial_id import TrialId
from automl.trial.result import TrialResult

Course: TypeAlias = Generator[tuple[float, Report], None, tuple[float, TrialResult]]
"""A trial as it goes: the seconds up to each report, and up to the result that it returns."""
Due: TypeAlias = tuple[float, TrialId, float, Report | TrialResult]
"""When a trial comes to its next item, its id, the seconds that the item takes, and the item."""


@dataclass(frozen=True)
class Event:
    """An event at a second of the virtual clock: a report, or (record) a trial's end."""

    second: float
    trial: TrialId
    report: Report | None = None
    record: TrialRecord | None = None


def simulate(
    dispatcher: Dispatcher,
    course_of: Callable[[TrialConfig], Course],
    workers: int,
    budget: Budget | None = None,
    gpus_per_trial: float = 0.0,
) -> Iterator[Event]:
    """Play a search until its dispatcher is over or the budget is spent.

    A caller that leaves at an event leaves the search as a kill would. Trials that are handed out
    while every worker is busy wait for one, as Tune's do.
    """
    waiting: deque[TrialRecord] = deque()
    courses: dict[TrialId, Course] = {}
    due: list[Due] = []
    now = gpu_seconds = 0.0
    front, volumes = Front(dispatcher.study.settings), list[float]()
    while budget is None or not budget.spent(volumes, now, gpu_seconds):
        while (record := dispatcher.next()) is not None:
            waiting.append(record)
        while waiting and len(courses) < workers:
            trial = waiting.popleft().id
            courses[trial] = course_of(dispatcher.under_way.plans[trial].config)
            heapq.heappush(due, _next(courses[trial], trial, now))
        if not due:
            return
        now, trial, took, item = heapq.heappop(due)
        gpu_seconds += gpus_per_trial * took
        if isinstance(item, TrialResult):
            del courses[trial]
            record = dispatcher.end(trial, item)
            front.add(record)
            volumes.append(front.hypervolume)
            yield Event(now, trial, record=record)
        elif dispatcher.goes_on(trial, item, took):
            heapq.heappush(due, _next(courses[trial], trial, now))
            yield Event(now, trial, report=item)
        else:
            courses.pop(trial).close()
            yield Event(now, trial, report=item)


def _next(course: Course, trial: TrialId, now: float) -> Due:
    try:
        took, report = next(course)
    except StopIteration as end:
        took, result = end.value
        return now + took, trial, took, result
    return now + took, trial, took, report
