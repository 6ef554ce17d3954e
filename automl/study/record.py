"""What a search was started with, and one record per trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution

from automl import pareto
from automl.config import Config
from automl.pareto import Axis
from automl.trial.result import TrialResult

REFIT = 1_000_000
"""Numbers from here on are of refits: this and the number of the trial that is finished."""


@dataclass(frozen=True)
class Settings(Config):
    """What a search was started with; a resumed one goes on with the same.

    `folder` is where it was started, `axes` are the ranges of the hypervolume,
    `reference_latency_ms` is the latency of `reference.onnx` when the search began, and
    `initial_points` are to be tried first; `datasets` are hashes of what is learned from, and
    `warm_start` names the study whose trials the attribute "earlier" holds.
    """

    space_name: str
    folder: str
    objectives: tuple[str, ...]
    constraints: tuple[str, ...]
    fixed: dict[str, str]
    seed: int
    sampler: str
    axes: dict[str, Axis]
    reference_latency_ms: float
    initial_points: tuple[dict[str, Any], ...] = ()
    datasets: tuple[str, ...] = ()
    warm_start: str = ""

    @cached_property
    def conditions(self) -> list[tuple[str, str, float]]:
        """Every constraint, as `pareto.parse_where` reads it."""
        return [c for text in self.constraints for c in pareto.parse_where(text)]

    def place(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """Where measured figures are on the axes, 1 best."""
        return tuple(axis.at(figures[name]) for name, axis in self.axes.items())


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a study; `result` is None while it runs or is paused.

    `draw` counts what was drawn up to it, when `after` trials had left their place; `screened`
    are the proposals refused just before it, `parent` is the trial whose training it was to
    go on from. `turn` and `left` say as which in order it was last handed out, and last left its
    place, ended or paused; `rungs` is what the stop rule knows of it, `seconds` what it had
    worked when it was paused; `is_again` when it is handed out once more. `config` is the whole
    config as JSON where the parameters, those of its origin, do not tell it: of a refit.
    `ended` is when its end was written, in seconds since 1970; 0 before.
    """

    number: int
    params: dict[str, Any]
    distributions: dict[str, BaseDistribution] = field(repr=False)
    draw: int = 0
    after: int = 0
    parent: int | None = None
    screened: list[dict[str, Any]] = field(default_factory=list, repr=False)
    result: TrialResult | None = None
    turn: int = 0
    left: int = 0
    rungs: dict[str, Any] = field(default_factory=dict, repr=False)
    seconds: float = 0.0
    is_again: bool = False
    config: str = field(default="", repr=False)
    ended: float = field(default=0.0, compare=False)

    @property
    def trial_id(self) -> str:
        return trial_id(self.number)

    @property
    def is_paused(self) -> bool:
        return self.result is None and self.rungs.get("paused_at") is not None

    @cached_property
    def values(self) -> dict[str, float]:
        """The measured figures of a complete trial."""
        assert self.result is not None and self.result.measurement is not None
        return self.result.measurement.figures


def trial_id(number: int) -> str:
    return f"{number - REFIT:04d}-refit" if number >= REFIT else f"{number:04d}"


def number_of(trial_id: str) -> int:
    """The inverse of `trial_id`."""
    origin, _, is_refit = trial_id.partition("-")
    return int(origin) + REFIT * bool(is_refit)
