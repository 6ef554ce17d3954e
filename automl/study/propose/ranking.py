"""Candidates ranked by what each is expected to add to the front, by a model of what was observed.

Quality is foretold in two parts: what the training should reach, and what the compression costs
relative to that. The second carries over from one trained model to the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from typing import TypeAlias

import numpy as np

from automl import quality
from automl.bounds.bound import Bound
from automl.space.domains import Params
from automl.space.exploring import explore
from automl.space.space import Space
from automl.study.propose.candidates import Candidate
from automl.study.propose.expected_gain import expected_gain
from automl.study.propose.gaussian_process import Array, Scales
from automl.study.propose.history import MOST_ROWS, History, Latest, Observation
from automl.study.propose.samplers import distribution
from automl.study.propose.surrogate import Surrogate
from automl.study.record import Settings
from automl.study.stopping.rung_ranking import crowding

MOST_SCALE_ROWS = 100
REFIT_EVERY = 5
DEEPEST = 3.0
MIN_CHANCE = 1e-3
DOUBT = 1.5
"""Scales fitted on few rows make a model too sure of itself: errors were 1.4 of its spreads."""
MAX_COLUMNS = 100_000
"""The most columns that the space above a front is cut into: of a larger front those members stay
that have most room around them."""
MAX_CELLS = 32 * MAX_COLUMNS
"""The most columns times candidates: of a batch's many candidates each has fewer columns."""
FIXED_WORK = 1e10
"""The work of a trial beside its steps, export and measuring, in multiply-accumulates: about a
second."""


def work(candidate: Candidate, bound: Bound) -> float:
    """The work of a candidate, in multiply-accumulates; a branch's training is done already."""
    done = set()
    if candidate.parent is not None:
        for step in candidate.config.recipe:
            if step.compresses:
                break
            done |= {step.label, f"{step.label}.teacher"}
    return FIXED_WORK + sum(work for label, work in bound.steps.items() if label not in done)


Known: TypeAlias = Sequence[tuple[Candidate, Bound]]
Lesson: TypeAlias = Callable[[Sequence[Observation]], tuple[list[Params], Array, Array]]
"""What observations teach: parameters, what else is known (n, e), and targets (n, m)."""


class Ranker:
    """Expected hypervolume gains of candidates.

    A model's scales are those of the last whole multiple of some trials. Keeping the scales, and
    the last model, saves time and changes no answer, as long as each call's history goes on from
    that of the call before.
    """

    def __init__(self, settings: Settings, space: Space) -> None:
        self.distributions = {p: distribution(d) for p, d in explore(space).domains.items()}
        self.on_quality = np.array([float(name in quality.METRICS) for name in settings.axes])
        self.scales: dict[str, tuple[int, list[Scales]]] = {}
        self.models: dict[str, tuple[int, Surrogate]] = {}

    def best(
        self, history: History, front: Array, candidates: Known, pending: Known, count: int
    ) -> list[int]:
        """Positions of `count` candidates, by gain per work, each beside those before it.

        `pending` ones are taken to end as foretold, so that the next candidate is another.
        `front` holds the members' coordinates, (members, axes).
        """
        gains = self.gains(history, front, candidates, pending)
        worth = gains / np.array([work(*pair) for pair in candidates])
        if count == 1:
            return [int(np.argmax(worth))]
        return _apart(worth, *self.foretold(history, candidates), count)

    def gains(
        self, history: History, front: Array, candidates: Known, pending: Known = ()
    ) -> Array:
        """The hypervolume that each candidate is expected to add, times its chance to be feasible.

        While no trial is feasible, the gain is how much nearer to that a candidate is expected to
        come. `front` is (members, axes), the gains (candidates,).
        """
        if not history.num_feasible:
            model = self._fitted("nearness", history.observations, _nearness)
            nearest = np.array([[history.nearest]])
            return expected_gain(nearest, *model.predict(*_rows(candidates)))
        gains = self._gains(history, front, candidates, pending)
        if history.num_feasible == len(history.observations):
            return gains
        model = self._fitted("feasible", history.observations, _feasible)
        chance, _ = model.predict(*_rows(candidates))
        return gains * np.clip(chance[:, 0], MIN_CHANCE, 1.0)

    def _gains(self, history: History, front: Array, candidates: Known, pending: Known) -> Array:
        model = self._fitted("costs", history.observations, self._costs)
        if pending:
            reached, _ = self._trained(history, pending)
            rows, columns = _rows(pending)
            believed, _ = model.predict(rows, np.hstack([columns, reached]))
            model = copy(model)
            model.add(rows, np.hstack([columns, reached]), believed)
            front = np.vstack([front, (believed + reached * self.on_quality).clip(0.0, 1.0)])
        front = _thinned(front, min(MAX_COLUMNS, MAX_CELLS // len(candidates)))
        return expected_gain(front, *self._ends(model, history, candidates))

    def foretold(self, history: History, candidates: Known) -> tuple[Array, Array]:
        """Coordinates where candidates should end, and their doubt, (candidates, axes) each."""
        return self._ends(
            self._fitted("costs", history.observations, self._costs), history, candidates
        )

    def _ends(self, model: Surrogate, history: History, candidates: Known) -> tuple[Array, Array]:
        reached, doubt = self._trained(history, candidates)
        rows, columns = _rows(candidates)
        mean, std = model.predict(rows, np.hstack([columns, reached]))
        doubts = DOUBT * np.hypot(std, doubt * self.on_quality)
        return mean + reached * self.on_quality, doubts

    def _costs(self, known: Sequence[Observation]) -> tuple[list[Params], Array, Array]:
        """The coordinates where trials ended, quality relative to what their training reached."""
        params, columns = _rows([(one.candidate, one.bound) for one in known])
        trained = np.array([[one.trained] for one in known])
        coordinates = of_note(np.array([one.coordinates for one in known]))
        return params, np.hstack([columns, trained]), coordinates - trained * self.on_quality

    def _trained(self, history: History, candidates: Known) -> tuple[Array, Array]:
        """The ends of trainings, and their doubt, (candidates, 1) each; a parent's end is known."""
        mean, std = np.zeros((2, len(candidates), 1))
        if history.is_any_trained:
            model = self._fitted("trained", history.firsts, _trainings)
            rows = [candidate.training for candidate, _ in candidates]
            mean, std = model.predict(rows, np.zeros((len(rows), 0)))
        for i, (candidate, _) in enumerate(candidates):
            if candidate.parent in history.by_id:
                mean[i], std[i] = history.by_id[candidate.parent].trained, 0.0
        return mean, std

    def _fitted(self, name: str, known: Latest, lesson: Lesson) -> Surrogate:
        if self.models.get(name, (0,))[0] == len(known):
            return self.models[name][1]
        whole = len(known) - len(known) % max(REFIT_EVERY, len(known) // 20) or len(known)
        model = Surrogate(self.distributions)
        if self.scales.get(name, (0, []))[0] != whole:
            part = known.before(whole, MOST_SCALE_ROWS)
            self.scales[name] = whole, model.find_scales(*lesson(part))
        model.fit(*lesson(known.before(len(known), MOST_ROWS)), self.scales[name][1])
        self.models[name] = len(known), model
        return model


def _rows(known: Known) -> tuple[list[Params], Array]:
    """Parameters, and logarithms of the bounds of bytes and multiply-accumulates, (trials, 2)."""
    logs = [[math.log(max(1, b.size_bytes)), math.log(max(1, b.macs))] for _, b in known]
    return [candidate.params for candidate, _ in known], np.array(logs).reshape(-1, 2)


def _trainings(known: Sequence[Observation]) -> tuple[list[Params], Array, Array]:
    rows = [one.candidate.training for one in known]
    return rows, np.zeros((len(rows), 0)), np.array([[one.trained] for one in known])


def _feasible(known: Sequence[Observation]) -> tuple[list[Params], Array, Array]:
    rows = _rows([(one.candidate, one.bound) for one in known])
    return *rows, np.array([[float(one.is_feasible)] for one in known])


def _nearness(known: Sequence[Observation]) -> tuple[list[Params], Array, Array]:
    """The nearness of trials to being feasible, 1 when they are."""
    rows = _rows([(one.candidate, one.bound) for one in known])
    return *rows, np.array([[one.nearness] for one in known])


def _apart(worth: Array, mean: Array, std: Array, count: int) -> list[int]:
    """Positions of the candidates (k,) of most worth, of which each takes worth from those that
    are foretold to end where it does; mean and std are (k, axes).

    Local penalization: González et al. 2016, https://arxiv.org/abs/1505.08052
    """
    found: list[int] = []
    is_left = np.ones(len(worth), bool)
    for _ in range(min(count, len(worth))):
        best = int(np.argmax(np.where(is_left, worth, -1.0)))
        found.append(best)
        is_left[best] = False
        away = (mean - mean[best]) / np.maximum(std, 1e-9)
        worth = worth * (1 - np.exp(-0.5 * (away**2).sum(axis=1)))
    return found


def _thinned(front: Array, columns: int = MAX_COLUMNS) -> Array:
    most = int(columns ** (1 / max(1, front.shape[1] - 1)))
    return front if len(front) <= most else front[np.argsort(-crowding(front))[:most]]


def of_note(coordinates: Array) -> Array:
    """Coordinates (trials, axes) with far failures raised: how far says nothing of the front."""
    middle: Array = np.median(coordinates, axis=0)
    lowest = middle - DEEPEST * (coordinates.max(axis=0) - middle)
    raised: Array = np.maximum(coordinates, lowest)
    return raised
