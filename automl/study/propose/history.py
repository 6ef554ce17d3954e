"""The history that candidates are ranked by: the latest measured trials, as a surrogate sees them.

However long a search goes on, it keeps so much of its past and no more.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from automl.bounds.bound import Bound
from automl.conditions import Limit, violation
from automl.study.propose.candidates import Candidate, digest, key
from automl.study.propose.gaussian_process import Array
from automl.study.record import Settings, TrialRecord
from automl.study.trial_id import TrialId

MOST_ROWS = 250
"""The observations that a model learns from."""
KEPT = 500
"""The observations that are kept at least: a model's rows, and those before its last fit."""


@dataclass(frozen=True)
class Observation:
    """A measured trial as the surrogate sees it.

    `coordinates` are on the axes, 1 best; `violation` is by how much the trial breaks the
    constraints; `trained` is where its training had ended on the axis of quality, 0 without a
    training.
    """

    trial: TrialId
    candidate: Candidate
    bound: Bound
    coordinates: tuple[float, ...]
    violation: float
    trained: float

    @property
    def is_feasible(self) -> bool:
        return self.violation <= 0

    @property
    def nearness(self) -> float:
        """The nearness to being feasible, 1 when it is."""
        return 1 / (1 + max(0.0, self.violation))


def observe(
    record: TrialRecord,
    candidate: Candidate,
    bound: Bound,
    settings: Settings,
    limits: Sequence[Limit],
) -> Observation:
    """The observation of a complete trial, held against the constraints as numbers."""
    assert record.result is not None
    values, parents = record.values, record.result.parent_quality
    reached = [axis.at(parents[name]) for name, axis in settings.axes.items() if name in parents]
    return Observation(
        trial=record.id,
        candidate=candidate,
        bound=bound,
        coordinates=settings.coordinates(values),
        violation=violation(values, limits),
        trained=reached[0] if reached else 0.0,
    )


class Latest:
    """The latest of many observations, in order, and how many there were."""

    def __init__(self) -> None:
        self.kept: list[Observation] = []
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def add(self, observation: Observation) -> None:
        self.kept.append(observation)
        self.count += 1
        if len(self.kept) >= 2 * KEPT:
            del self.kept[:KEPT]

    def before(self, end: int, most: int) -> Sequence[Observation]:
        """The observations before a position, `most` of them at most."""
        forgotten = self.count - len(self.kept)
        return self.kept[max(0, end - most - forgotten) : end - forgotten]


class History:
    """The observations in order, and of each training the first trial that made it."""

    def __init__(self) -> None:
        self.observations, self.firsts = Latest(), Latest()
        self.by_id: dict[TrialId, Observation] = {}
        self.num_feasible, self.nearest, self.is_any_trained = 0, 0.0, False
        self._trainings: set[bytes] = set()

    def add(self, observation: Observation) -> None:
        self.observations.add(observation)
        self.by_id[observation.trial] = observation
        self.num_feasible += observation.is_feasible
        self.nearest = max(self.nearest, observation.nearness)
        training = digest(key(observation.candidate.training))
        if training not in self._trainings:
            self._trainings.add(training)
            self.firsts.add(observation)
            self.is_any_trained |= bool(observation.trained)

    def forget(self, needed: Container[TrialId]) -> None:
        """Keep those `needed`, and the latest, by their trials, once there are many others."""
        if len(self.by_id) >= 4 * KEPT:
            latest = {one.trial for one in self.observations.kept}
            self.by_id = {
                trial: one
                for trial, one in self.by_id.items()
                if trial in needed or trial in latest
            }

    def coordinates(self, records: Sequence[TrialRecord], num_axes: int) -> Array:
        """Observed trials on the axes, (records, axes)."""
        rows = [self.by_id[record.id].coordinates for record in records]
        return np.array(rows).reshape(-1, num_axes)
