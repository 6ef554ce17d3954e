"""Findings of a search, read once for all that its pages show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from automl import conditions
from automl.pareto import Axis
from automl.study import timeline
from automl.study.front import Front
from automl.study.record import Settings, TrialRecord
from automl.study.selection import Advice, advise, knee_of
from automl.study.study import Study
from automl.study.summary import SearchSummary
from automl.study.timeline import Stay
from automl.study.trial_id import TrialId
from automl.trial.result import Status

FRONT, AS_GOOD = "front", "better by no more than noise"
DOMINATED, BREAKS = "dominated", "breaks a constraint"
UNFINISHED = (Status.STOPPED, Status.REJECTED, Status.FAILED)
GROUPS = (*reversed(UNFINISHED), BREAKS, DOMINATED, AS_GOOD, FRONT)
"""Every trial that ended is in one group; the last are drawn over the first."""


@dataclass(frozen=True)
class Point:
    """A trial that ended, and its known figures.

    Without a measurement they are its quality when it was `last_compared` ("epoch 2 of train"),
    and the least bytes that its file could have had.
    """

    record: TrialRecord
    group: str
    figures: dict[str, float]
    last_compared: str = ""


@dataclass(frozen=True)
class OnRuntime:
    """The front on one runtime: its models, the one to take, and the command that takes it.

    `own` are the models that are on no other runtime's front.
    """

    name: str
    objectives: tuple[str, ...]
    front: list[TrialRecord]
    advice: Advice
    own: list[TrialRecord]


@dataclass(frozen=True)
class Findings:
    """Everything that a search's pages show.

    `points` are by number, refits last; `front` are the members of `whole_front`, which has those
    that noise alone keeps out, too; `advice` is the model to take; `runs` says when each run
    of the search began, in seconds since 1970, and how many seconds had been searched before;
    `compresses` tells for each step's label whether the step is a compression; `constraints` and
    `goal` tell what a model was to keep, and whether one met the goal; `why_empty` tells why the
    front has no model, where it has none; `stays` tell which slot worked on which trial.
    """

    name: str
    settings: Settings
    summary: SearchSummary
    points: list[Point]
    front: list[TrialRecord]
    whole_front: Front
    advice: Advice | None
    is_over: bool
    runs: list[tuple[float, float]]
    compresses: Mapping[str, bool]
    constraints: list[str]
    goal: str
    why_empty: str
    stays: list[Stay] = field(default_factory=list)
    on_runtimes: list[OnRuntime] = field(default_factory=list)

    @property
    def records(self) -> list[TrialRecord]:
        return [point.record for point in self.points]

    @property
    def measured(self) -> list[Point]:
        return [point for point in self.points if point.group not in UNFINISHED]

    @property
    def unfinished(self) -> list[Point]:
        return [point for point in self.points if point.group in UNFINISHED]

    @property
    def is_uncertain(self) -> bool:
        """True if some figure of the front is not exact."""
        return any(record.uncertainty for record in self.front)

    @property
    def quality(self) -> str:
        """The objective that sizes are compared by: the first that is not bytes."""
        objectives = self.settings.objectives
        return next((name for name in objectives if name != "size_bytes"), objectives[0])

    @cached_property
    def names(self) -> list[str]:
        """Every figure that some trial has, objectives first, then bytes."""
        known = {name for point in self.points for name in point.figures}
        objectives, directions = self.settings.objectives, self.settings.directions
        others = {name for name in known if name in directions} - set(objectives)
        return [*objectives, *sorted(others, key=lambda name: (name != "size_bytes", name))]

    @cached_property
    def course(self) -> list[tuple[float, float]]:
        """The search's second and the front's hypervolume at each trial's end, in order."""
        front, course = Front(self.settings), []
        for record in sorted(self.records, key=lambda record: (record.ended, record.id)):
            front.add(record)
            course.append((self.second(record), front.hypervolume))
        return course

    def second(self, record: TrialRecord) -> float:
        """When a trial ended, counting what the search ran for alone."""
        return self.at(record.ended)

    def at(self, moment: float) -> float:
        """The search's second at a moment, in seconds since 1970."""
        begun = [run for run in self.runs if run[0] <= moment] or self.runs[:1]
        started, before = begun[-1]
        return before + max(0.0, moment - started)


def read(study: Study, compresses: Mapping[str, bool]) -> Findings:
    records = [*study.records(), *study.refits()]
    ended = [record for record in records if record.result is not None]
    front = study.front(ended)
    groups = {record.id: AS_GOOD for record in front.unbeaten}
    groups |= {record.id: FRONT for record in front.members}
    first = min((record.ended for record in ended), default=0.0)
    runs = study.attribute("runs") or [(first, 0.0)]
    goal = study.goal()
    return Findings(
        name=study.name,
        settings=study.settings,
        summary=study.summary(),
        points=[_point(record, study.settings, front, groups) for record in ended],
        front=front.members,
        whole_front=front,
        advice=advise(study, front.members),
        is_over=study.is_over,
        runs=[(began, before) for began, before in runs],
        compresses=compresses,
        constraints=[c.told(front.reference.figures) for c in study.settings.conditions],
        goal=goal.ending() or goal.missed(),
        why_empty=study.why_empty(),
        stays=timeline.read(study.folder),
        on_runtimes=_on_runtimes(study, ended),
    )


def _on_runtimes(study: Study, ended: Sequence[TrialRecord]) -> list[OnRuntime]:
    """The fronts on each of several runtimes, of those that have one."""
    views = [study.on_runtime(name) for name in study.settings.by_name]
    fronts = {view.runtime: view.front(ended).members for view in views}
    found = []
    for view in views if len(views) > 1 else ():
        front = fronts[view.runtime]
        others = {r.id for name, own in fronts.items() if name != view.runtime for r in own}
        if front:
            knee = knee_of(front, view.settings.axes)
            command = f"automl export {study.name} --runtime {view.runtime} --knee --out out"
            advice = Advice(knee, "the best compromise there", command)
            own = [record for record in front if record.id not in others]
            objectives = view.settings.objectives
            found.append(OnRuntime(view.runtime, objectives, front, advice, own))
    return found


def _point(
    record: TrialRecord, settings: Settings, front: Front, groups: Mapping[TrialId, str]
) -> Point:
    assert record.result is not None
    if record.result.measurement is None:
        return Point(record, record.result.status, *_last_report(record, settings.axes))
    if record.id in groups:
        return Point(record, groups[record.id], record.values)
    feasible = conditions.satisfies(record.values, front.limits)
    return Point(record, DOMINATED if feasible else BREAKS, record.values)


def _last_report(record: TrialRecord, axes: Mapping[str, Axis]) -> tuple[dict[str, float], str]:
    """Figures of a trial as the stop rule last saw them, and when; times are left out, since they
    are no more than guesses there."""
    if not record.course.rungs.entries:
        return {}, ""
    last = max(record.course.rungs.entries, key=lambda entered: entered.order)
    figures = {
        name: axis.value(place)
        for (name, axis), place in zip(axes.items(), last.entry.values, strict=True)
        if not name.endswith("_ms")
    }
    return figures, f"epoch {last.rung.epoch} of {last.rung.step}"


def is_refit(record: TrialRecord) -> bool:
    return record.id.is_refit
