"""The settings that a search was started with, and the record of each of its trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from automl import conditions
from automl.conditions import Condition, Limit
from automl.config import Config
from automl.errors import UserError, unknown
from automl.measure.measurement import Measurement
from automl.pareto import SPAN, Axis, Directions
from automl.runtimes.onnx import named
from automl.space.domains import Params
from automl.space.runtime import Runtime
from automl.study.rung_state import RungState
from automl.study.trial_id import TrialId
from automl.trial.result import TrialResult

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Settings(Config):
    """The settings that a search was started with; a resumed search goes on with the same.

    `folder` is where the search was started, `axes` are the ranges of the hypervolume,
    `reference_latency_ms` is the latency of `reference.onnx` when the search began, `reference`
    holds what else is known of that file, and `reference_params` are the parameters of its model
    where a condition needs the quality that the model has once it is trained. `initial_points`
    are to be tried first; `datasets` are hashes of what is learned from, and `warm_start` names
    the search whose trials the attribute "earlier" holds. `runtimes` are those that files are
    timed on, none for onnxruntime on one thread, and `measured_on` is the kind of machine that
    times them.
    """

    later_fields: ClassVar = {"runtimes": (), "measured_on": ""}

    space_name: str
    folder: str
    objectives: tuple[str, ...]
    constraints: tuple[str, ...]
    fixed: dict[str, str]
    seed: int
    sampler: str
    axes: dict[str, Axis]
    reference_latency_ms: float
    initial_points: tuple[Params, ...] = ()
    datasets: tuple[str, ...] = ()
    warm_start: str = ""
    reference: dict[str, float] = field(default_factory=dict)
    reference_params: Params = field(default_factory=dict)
    runtimes: tuple[Runtime, ...] = ()
    measured_on: str = ""

    @property
    def by_name(self) -> dict[str, Runtime]:
        """The runtimes by their names; the first one's figures have plain names."""
        return named(self.runtimes)

    def on_runtime(self, name: str) -> Settings:
        """The settings of the front on one runtime, whose latency is an objective in the place of
        that on the others. Raises UserError where there is none of that name."""
        if name not in self.by_name:
            raise UserError(unknown("runtime", name, list(self.by_name)))
        is_first = name == next(iter(self.by_name))
        latency = "latency_ms" if is_first else f"{name}/latency_ms"
        axes = {n: axis for n, axis in self.axes.items() if not n.endswith("latency_ms")}
        worst = {"latency_ms": self.reference_latency_ms, **self.reference}[latency]
        axes[latency] = Axis(worst, worst / SPAN, log=True)
        return replace(self, objectives=tuple(axes), axes=axes)

    @cached_property
    def directions(self) -> Directions:
        """The way that is better of each figure; of an objective, that of its axis."""
        return Directions(self.axes)

    @cached_property
    def conditions(self) -> list[Condition]:
        """Every condition of the constraints."""
        known = self.directions
        return [one for text in self.constraints for one in conditions.parse(text, known, known)]

    @cached_property
    def limits(self) -> list[Limit]:
        """The constraints that are known as numbers when the search begins."""
        return conditions.limits(self.conditions, self.reference)

    def coordinates(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """Measured figures on the axes, 1 best."""
        return tuple(axis.at(figures[name]) for name, axis in self.axes.items())


@dataclass(frozen=True, slots=True)
class Drawing:
    """The draw of a proposal.

    `num_draws` counts all draws up to this one, made when `drawn_after` trials had left their
    slot; `parent` is the trial whose training the proposal was to go on from; `screened` are the
    proposals refused just before, `undrawn` those that a class of the user's raised on.
    """

    num_draws: int = 0
    drawn_after: int = 0
    parent: TrialId | None = None
    screened: tuple[Params, ...] = field(default=(), repr=False)
    undrawn: tuple[Params, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Course:
    """The course of a trial up to now.

    `handout` and `departure` say as which in order the trial was last handed out, and last left
    its slot, ended or paused; 0 is never. `rungs` is what the stop rule knows of the trial,
    `seconds` are those that it had worked when it was paused.
    """

    handout: int = 0
    departure: int = 0
    rungs: RungState = field(default=RungState(), repr=False)
    seconds: float = 0.0


@dataclass(frozen=True)
class TrialRecord:
    """A trial of a search; `result` is None while the trial runs or is paused.

    `is_resumed` when the trial is handed out once more; `ended` is when its end was written, in
    seconds since 1970; 0 before. `config` is the whole config as JSON where the parameters do not
    tell it: of a refit, whose parameters are the origin's, and of a trial that was shortened.
    """

    id: TrialId
    params: Params
    distributions: dict[str, BaseDistribution] = field(repr=False)
    drawing: Drawing = Drawing()
    course: Course = Course()
    result: TrialResult | None = None
    is_resumed: bool = False
    config: str = field(default="", repr=False)
    ended: float = field(default=0.0, compare=False)

    @property
    def trial_id(self) -> str:
        """The trial's id as users read and write it."""
        return str(self.id)

    def on_course(self, **changes: object) -> TrialRecord:
        """The record with some fields of its course changed."""
        return replace(self, course=replace(self.course, **changes))  # type: ignore[arg-type]

    @property
    def is_paused(self) -> bool:
        return self.result is None and self.course.rungs.paused_at is not None

    @property
    def is_complete(self) -> bool:
        return self.result is not None and self.result.is_complete

    @property
    def measurement(self) -> Measurement | None:
        """The figures of the trial's file; None unless the trial was measured."""
        return None if self.result is None else self.result.measurement

    @cached_property
    def values(self) -> dict[str, float]:
        """The measured figures of a complete trial."""
        assert self.measurement is not None
        return self.measurement.figures

    @property
    def uncertainty(self) -> dict[str, float]:
        """The standard error of each figure of a complete trial that is not exact."""
        assert self.measurement is not None
        return self.measurement.uncertainty
