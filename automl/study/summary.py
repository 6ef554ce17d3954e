"""A search in figures: its trials counted, its front, and the time that it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from automl.space.domains import Params
from automl.trial.result import TrialResult


@dataclass(frozen=True)
class Member:
    """A model of the front: its trial, the trial's parameters, figures and seconds.

    `uncertainty` holds the standard errors of the figures that are not exact; `shortened` says how
    its training came to be shorter, for want of time, than the parameters tell.
    """

    trial_id: str
    params: Params
    measurement: Mapping[str, float]
    seconds: float
    shortened: str = ""
    uncertainty: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchSummary:
    """The progress of a search, and the front that it has found.

    `objectives` says "max" or "min" of each; `trials` counts by status, screened proposals too;
    `seconds` are the search's own, over all its runs; `compute_seconds` those of its trials,
    refits among them, and `waited_seconds` those in which these waited for a measurer, which are a
    share of both; `until` is
    the search's goal, if it has one, and `met_by` the trial that met it; `faults` tell what else
    raised, such as candidates that could not be drawn.
    """

    search: str
    objectives: Mapping[str, str]
    reference_point: Mapping[str, float]
    hypervolume: float
    trials: Mapping[str, int]
    seconds: float
    compute_seconds: float
    waited_seconds: float
    waiting_for_measurer_share: float
    slots: int
    until: str
    met_by: str | None
    faults: tuple[str, ...]
    front: tuple[Member, ...]

    def as_json(self) -> dict[str, object]:
        """The object that `front --json` and `search --json` print."""
        front = [asdict(member) for member in self.front]
        return {**asdict(self), "faults": list(self.faults), "front": front}


def waiting_share(results: Sequence[TrialResult]) -> float:
    """The share of some trials' time in which they waited for a measurer."""
    waited = sum(result.waited_seconds for result in results)
    return waited / max(waited + sum(result.seconds for result in results), 1e-9)
