"""An overview of a search: all that is told of it once its trials are known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from copy import copy
from pathlib import Path
from typing import Any, Self

from automl.conditions import satisfies, violation
from automl.errors import alike
from automl.faults import Fault
from automl.study.front import Front
from automl.study.goal import Goal
from automl.study.record import Settings, TrialRecord
from automl.study.summary import Member, SearchSummary, waiting_share
from automl.trial.result import Status

FAULTS = "faults"
"""The attribute that holds what raised in the search's own process."""


class Overview(ABC):
    """Tells of a search; where its trials, refits and attributes come from is for those below."""

    folder: Path
    name: str
    settings: Settings
    runtime: str = ""
    """The runtime whose front is looked at; that of all objectives where none is named."""

    def on_runtime(self, name: str | None) -> Self:
        """The search with the front on one runtime; without a name as it is. Raises UserError."""
        if name is None:
            return self
        found = copy(self)
        found.runtime, found.settings = name, self.settings.on_runtime(name)
        return found

    @abstractmethod
    def records(self) -> list[TrialRecord]:
        """The trials that were started, by number."""

    @abstractmethod
    def refits(self) -> list[TrialRecord]:
        """The refits of the front's members, by number; they are not among the `records`."""

    @abstractmethod
    def attribute(self, name: str, default: Any = None) -> Any:  # type: ignore[explicit-any]
        """A JSON value of any shape that was kept with the search under a name."""

    @abstractmethod
    def num_screened(self) -> int:
        """The number of proposals that were refused before any work."""

    @property
    def is_over(self) -> bool:
        """True of a search that ended by its budget or its goal, and was not gone on with."""
        return bool(self.attribute("state") == "finished")

    @property
    def space_text(self) -> str:
        return (self.folder / "space.py").read_text(encoding="utf-8")

    def measured(self) -> list[TrialRecord]:
        """Every trial and refit that has figures."""
        return [record for record in [*self.records(), *self.refits()] if record.measurement]

    def faults(self) -> list[Fault]:
        """The faults of the search's own process, which did not end it."""
        return [Fault(**kept) for kept in self.attribute(FAULTS, [])]

    def front(self, records: Iterable[TrialRecord] | None = None) -> Front:
        """The front of some records; of all, refits too, unless given."""
        known = [*self.records(), *self.refits()] if records is None else records
        return Front(self.settings, known)

    def hypervolumes(self) -> list[float]:
        """The front's after each ended trial, by number."""
        front, volumes = Front(self.settings), []
        for record in self.records():
            if record.result is not None:
                front.add(record)
                volumes.append(front.hypervolume)
        return volumes

    def why_empty(self) -> str:
        """The reason why the front has no model, with the complete trial that comes nearest to the
        constraints; "" if it has one. Of a search that goes on the reason is that there is none
        yet."""
        records = [*self.records(), *self.refits()]
        front, complete = self.front(records), [r for r in records if r.is_complete]
        if front.members:
            return ""
        if not complete:
            return self._why_none_complete() if self.is_over else "no trial is complete yet"
        wanted = " and ".join(one.told(front.reference.figures) for one in front.conditions)
        nearest = min(complete, key=lambda record: violation(record.values, front.limits))
        broken = [limit for limit in front.limits if not satisfies(nearest.values, [limit])]
        has = ", ".join(
            f"{name} {nearest.values[name]:.6g}" if name in nearest.values else f"no {name}"
            for name in dict.fromkeys(limit.figure for limit in broken)
        )
        return f"no complete trial meets {wanted}: trial {nearest.trial_id} comes nearest ({has})"

    def _why_none_complete(self) -> str:
        reasons = [record.result.reason for record in self.records() if record.result is not None]
        if not reasons:
            return "no trial had the time to end"
        [(usual, count)] = Counter(map(alike, reasons)).most_common(1)
        told = next(reason for reason in reasons if alike(reason) == usual).splitlines()[0]
        return f"none of its trials is complete, {count} of {len(reasons)} ended so: {told}"

    def goal(self) -> Goal:
        """The goal that the search was last given, held against all its trials and refits."""
        until = self.attribute("options", {}).get("until")
        return Goal(until, self.settings, [*self.records(), *self.refits()])

    def summary(self) -> SearchSummary:
        """The search so far, in figures."""
        records, refits = self.records(), self.refits()
        front, goal = self.front([*records, *refits]), self.goal()
        results = [record.result for record in records if record.result is not None]
        both = [*results, *(record.result for record in refits if record.result is not None)]
        counts = Counter(str(result.status) for result in results)
        counts[Status.SCREENED] = self.num_screened()
        return SearchSummary(
            search=self.name,
            objectives={n: self.settings.directions[n] for n in self.settings.objectives},
            reference_point={n: axis.worst for n, axis in self.settings.axes.items()},
            hypervolume=front.hypervolume,
            trials={str(status): counts[status] for status in Status},
            seconds=self.attribute("seconds", 0.0),
            compute_seconds=sum(result.seconds for result in both),
            waited_seconds=sum(result.waited_seconds for result in both),
            waiting_for_measurer_share=waiting_share(both),
            slots=self.attribute("slots", 1),
            until=str(goal),
            met_by=None if goal.met_by is None else goal.met_by.trial_id,
            faults=tuple(map(str, self.faults())),
            front=tuple(map(member, front.members)),
        )


def member(record: TrialRecord) -> Member:
    ended = record.result
    assert ended is not None
    known = dict(record.params), record.values, ended.seconds, ended.shortened, record.uncertainty
    return Member(record.trial_id, *known)
