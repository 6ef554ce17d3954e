"""A search on a virtual clock: the same proposals, stop rule and budget, any number of workers."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from automl.recipe import Report
from automl.space.space import TrialConfig
from automl.study.budget import Budget
from automl.study.dispatcher import Proposer
from automl.study.front import Front
from automl.study.record import TrialRecord
from automl.trial.result import TrialResult

Course = Generator[tuple[float, Report], None, tuple[float, TrialResult]]
"""A trial as it goes: the seconds up to each report, and up to the result that it returns."""


Due = tuple[float, int, float, Report | TrialResult]
"""When a trial comes to its next item, whose it is, the seconds it takes, and the item."""


@dataclass(frozen=True)
class Event:
    """What happened at a second of the virtual clock: a report, or (record) a trial's end."""

    second: float
    number: int
    report: Report | None = None
    record: TrialRecord | None = None


def simulate(
    proposer: Proposer,
    course_of: Callable[[TrialConfig], Course],
    workers: int,
    budget: Budget | None = None,
    gpus_per_trial: float = 0.0,
) -> Iterator[Event]:
    """Play a search until its proposer is over or the budget is spent; whoever listens may leave
    at any event, as a killed search would.

    Trials that are handed out while every worker is busy wait for one, as Tune's do.
    """
    waiting: deque[TrialRecord] = deque()
    courses: dict[int, Course] = {}
    due: list[Due] = []
    now = gpu_seconds = 0.0
    front, volumes = Front(proposer.study.settings), list[float]()
    while budget is None or not budget.spent(volumes, now, gpu_seconds):
        while (record := proposer.next()) is not None:
            waiting.append(record)
        while waiting and len(courses) < workers:
            number = waiting.popleft().number
            courses[number] = course_of(proposer.making[number][0])
            heapq.heappush(due, _next(courses[number], number, now))
        if not due:
            return
        now, number, took, item = heapq.heappop(due)
        gpu_seconds += gpus_per_trial * took
        if isinstance(item, TrialResult):
            del courses[number]
            record = proposer.finish(number, item)
            front.add(record)
            volumes.append(front.hypervolume)
            yield Event(now, number, record=record)
        elif proposer.goes_on(number, item, took):
            heapq.heappush(due, _next(courses[number], number, now))
            yield Event(now, number, report=item)
        else:
            courses.pop(number).close()
            yield Event(now, number, report=item)


def _next(
    course: Course, number: int, now: float
) -> tuple[float, int, float, Report | TrialResult]:
    try:
        took, report = next(course)
    except StopIteration as end:
        took, result = end.value
        return now + took, number, took, result
    return now + took, number, took, report
