"""What a candidate is worth: the hypervolume it should add, per unit of work.

Quality is foretold in two parts: what the training should reach, and what the compression costs
relative to that. The second carries over from one trained model to the next.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl import quality
from automl.space import Space, tail
from automl.study.candidates import Candidate
from automl.study.judging import Bound
from automl.study.study import Settings, TrialRecord
from automl.study.surrogate import Surrogate, expected_gain

FIXED_WORK = 1e10
"""What a trial takes beside its steps, export and measuring, in multiply-accumulates: about a
second."""


@dataclass(frozen=True)
class Told:
    """A complete trial: `place` on the axes, 1 best, and where its training had ended on the
    quality's axis, 0 where it did not train."""

    number: int
    candidate: Candidate
    bound: Bound
    place: tuple[float, ...]
    parent_quality: float


def told(record: TrialRecord, candidate: Candidate, bound: Bound, settings: Settings) -> Told:
    """A record of a complete trial, as a surrogate learns of it."""
    assert record.result is not None
    parents = record.result.parent_quality
    reached = [axis.at(parents[name]) for name, axis in settings.axes.items() if name in parents]
    place = place_of(record, settings)
    return Told(record.number, candidate, bound, place, reached[0] if reached else 0.0)


def place_of(record: TrialRecord, settings: Settings) -> tuple[float, ...]:
    """Where a complete trial is on the axes, 1 best."""
    return tuple(axis.at(record.values[name]) for name, axis in settings.axes.items())


class Worth:
    """Learns from complete trials what others would give; deterministic under a seed."""

    def __init__(self, settings: Settings, space: Space) -> None:
        self.settings, self.space, seed = settings, space, settings.seed
        names = list(settings.axes)
        self.quality = next((i for i, name in enumerate(names) if name in quality.METRICS), None)
        self.trained, self.ended = Surrogate(seed), Surrogate(seed)

    def learn(self, told: Sequence[Told]) -> None:
        """Fit to trials that completed."""
        self.known = {one.number: one.parent_quality for one in told}
        by_training = {self._training_key(one.candidate): one for one in told}
        firsts = list(by_training.values())
        self.trained.fit(
            [self._training(one.candidate) for one in firsts],
            [one.candidate.distributions for one in firsts],
            np.array([[one.parent_quality] for one in firsts]),
        )
        targets = np.array([one.place for one in told])
        parents = np.array([one.parent_quality for one in told])
        if self.quality is not None:
            targets[:, self.quality] -= parents
        self.ended.fit(
            [one.candidate.params for one in told],
            [one.candidate.distributions for one in told],
            targets,
            _columns([one.bound for one in told], parents),
        )

    def foretell(
        self, candidates: Sequence[Candidate], bounds: Sequence[Bound]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Means and standard deviations on the axes, (candidates, objectives)."""
        trained, spread = self.trained.predict([self._training(c) for c in candidates])
        parents, doubts = trained[:, 0], spread[:, 0]
        for i, candidate in enumerate(candidates):
            if candidate.parent in self.known:
                parents[i], doubts[i] = self.known[candidate.parent], 0.0
        mean, std = self.ended.predict(
            [candidate.params for candidate in candidates], _columns(bounds, parents)
        )
        if self.quality is not None:
            mean[:, self.quality] += parents
            std[:, self.quality] = np.hypot(std[:, self.quality], doubts)
        return mean, std

    def order(
        self,
        candidates: Sequence[Candidate],
        bounds: Sequence[Bound],
        front: Sequence[tuple[float, ...]],
        pending: Sequence[tuple[Candidate, Bound]],
    ) -> list[int]:
        """Positions of the candidates, most gain per work first.

        Trials under way are taken to end as foretold, so that the next one is another.
        """
        mean, std = self.foretell(candidates, bounds)
        points = np.array([*front]).reshape(-1, mean.shape[1])
        if pending:
            believed, _ = self.foretell(*zip(*pending, strict=True))
            points = np.vstack([points, np.clip(believed, 0.0, 1.0)])
        gain = expected_gain(points, mean, std)
        pairs = zip(candidates, bounds, strict=True)
        worth = gain / np.array([work(candidate, bound) for candidate, bound in pairs])
        return [int(i) for i in np.argsort(-worth, kind="stable")]

    def _training(self, candidate: Candidate) -> dict[str, Any]:
        """The parameters that the training goes by."""
        cut = tail(self.space, candidate.params)
        return {path: value for path, value in candidate.params.items() if path not in cut}

    def _training_key(self, candidate: Candidate) -> str:
        return json.dumps(self._training(candidate))


def work(candidate: Candidate, bound: Bound) -> float:
    """What a candidate takes, in multiply-accumulates; a branch's training is done already."""
    done = set()
    if candidate.parent is not None:
        for step in candidate.config.recipe:
            if step.compresses:
                break
            done |= {step.label, f"{step.label}.teacher"}
    return FIXED_WORK + sum(work for label, work in bound.steps.items() if label not in done)


def _columns(bounds: Sequence[Bound], parents: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is known of each trial beside its parameters, (trials, 3), about from 0 to 1."""
    logs = [[math.log10(max(1, b.size_bytes)) / 8, math.log10(max(1, b.macs)) / 12] for b in bounds]
    return np.column_stack([np.array(logs).reshape(-1, 2), parents])
