"""How much each candidate is expected to add to the front, by a model of what was told.

Quality is foretold in two parts: what the training should reach, and what the compression costs
relative to that. The second carries over from one trained model to the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from automl import pareto, quality
from automl.space.exploring import explore
from automl.space.space import Space
from automl.study.propose.candidates import Candidate, Params, key
from automl.study.propose.expected_gain import expected_gain
from automl.study.propose.gaussian_process import Array, Scales
from automl.study.propose.samplers import distribution
from automl.study.propose.surrogate import Surrogate
from automl.study.record import Settings, TrialRecord
from automl.study.stopping.rung import crowding
from automl.study.stopping.rung_entry import Bound

MAX_ROWS, MAX_SCALE_ROWS = 250, 100
REFIT_EVERY = 5
DEEPEST = 3.0
MIN_CHANCE = 1e-3
DOUBT = 1.5
"""Scales fitted on few rows make a model too sure of itself: errors were 1.4 of its spreads."""
MAX_COLUMNS = 100_000
"""The space above a front is cut into no more: what is left of a larger front has most room."""
FIXED_WORK = 1e10
"""What a trial takes beside its steps, export and measuring, in multiply-accumulates: about a
second."""


@dataclass(frozen=True)
class Told:
    """A trial that was measured: `place` on the axes, 1 best; by how much it breaks the
    constraints; where its training had ended on the axis of quality, 0 without one."""

    number: int
    candidate: Candidate
    bound: Bound
    place: tuple[float, ...]
    violation: float
    trained: float

    @property
    def is_feasible(self) -> bool:
        return self.violation <= 0


def told(record: TrialRecord, candidate: Candidate, bound: Bound, settings: Settings) -> Told:
    """A record of a complete trial, as the ranking learns of it."""
    assert record.result is not None
    values, parents = record.values, record.result.parent_quality
    reached = [axis.at(parents[name]) for name, axis in settings.axes.items() if name in parents]
    return Told(
        number=record.number,
        candidate=candidate,
        bound=bound,
        place=settings.place(values),
        violation=pareto.violation(values, settings.conditions),
        trained=reached[0] if reached else 0.0,
    )


def work(candidate: Candidate, bound: Bound) -> float:
    """What a candidate takes, in multiply-accumulates; a branch's training is done already."""
    done = set()
    if candidate.parent is not None:
        for step in candidate.config.recipe:
            if step.compresses:
                break
            done |= {step.label, f"{step.label}.teacher"}
    return FIXED_WORK + sum(work for label, work in bound.steps.items() if label not in done)


Known = Sequence[tuple[Candidate, Bound]]
Lesson = Callable[[Sequence[Told]], tuple[list[Params], Array, Array]]
"""What some trials teach: parameters, what else is known of them, and targets."""


class History:
    """What was told, in order, and of each training the first trial that made it."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.trainings: dict[str, Told] = {}
        self.by_number: dict[int, Told] = {}
        self.num_feasible = 0

    def add(self, one: Told) -> None:
        self.told.append(one)
        self.trainings.setdefault(key(one.candidate.training), one)
        self.by_number[one.number] = one
        self.num_feasible += one.is_feasible


class Ranker:
    """Expected hypervolume gains of candidates.

    A model's scales are those of the last whole multiple of some trials. Keeping them, and the last
    model, saves time and changes no answer, as long as each call's history goes on from the last
    one's.
    """

    def __init__(self, settings: Settings, space: Space) -> None:
        self.distributions = {p: distribution(d) for p, d in explore(space).domains.items()}
        self.on_quality = np.array([float(name in quality.METRICS) for name in settings.axes])
        self.scales: dict[str, tuple[int, list[Scales]]] = {}
        self.models: dict[str, tuple[int, Surrogate]] = {}

    def best_first(
        self, history: History, front: Array, candidates: Known, pending: Known
    ) -> list[int]:
        """Positions of the candidates by gain per work; `pending` ones are taken to end as
        foretold, so that the next one is another. `front` holds the members' places."""
        gains = self.gains(history, front, candidates, pending)
        worth = gains / np.array([work(*pair) for pair in candidates])
        return [int(i) for i in np.argsort(-worth, kind="stable")]

    def gains(
        self, history: History, front: Array, candidates: Known, pending: Known = ()
    ) -> Array:
        """Per candidate the hypervolume that it is expected to add, times its chance to be
        feasible; while nothing is, how much nearer to being so it is expected to come."""
        if not history.num_feasible:
            model = self._fitted("nearness", history.told, _nearness)
            nearest = _nearness(history.told)[2].max(axis=0, keepdims=True)
            return expected_gain(nearest, *model.predict(*_rows(candidates)))
        gains = self._gains(history, front, candidates, pending)
        if history.num_feasible == len(history.told):
            return gains
        model = self._fitted("feasible", history.told, _feasible)
        chance, _ = model.predict(*_rows(candidates))
        return gains * np.clip(chance[:, 0], MIN_CHANCE, 1.0)

    def _gains(self, history: History, front: Array, candidates: Known, pending: Known) -> Array:
        model = self._fitted("costs", history.told, self._costs)
        if pending:
            reached, _ = self._trained(history, pending)
            rows, columns = _rows(pending)
            believed, _ = model.predict(rows, np.hstack([columns, reached]))
            model = copy(model)
            model.add(rows, np.hstack([columns, reached]), believed)
            front = np.vstack([front, (believed + reached * self.on_quality).clip(0.0, 1.0)])
        return expected_gain(_thinned(front), *self._ends(model, history, candidates))

    def foretold(self, history: History, candidates: Known) -> tuple[Array, Array]:
        """Where candidates should end on the axes, and how sure that is: (k, axes) each."""
        return self._ends(self._fitted("costs", history.told, self._costs), history, candidates)

    def _ends(self, model: Surrogate, history: History, candidates: Known) -> tuple[Array, Array]:
        reached, doubt = self._trained(history, candidates)
        rows, columns = _rows(candidates)
        mean, std = model.predict(rows, np.hstack([columns, reached]))
        doubts = DOUBT * np.hypot(std, doubt * self.on_quality)
        return mean + reached * self.on_quality, doubts

    def _costs(self, told: Sequence[Told]) -> tuple[list[Params], Array, Array]:
        """Where trials ended, quality relative to what their training had reached."""
        params, columns = _rows([(one.candidate, one.bound) for one in told])
        trained = np.array([[one.trained] for one in told])
        places = of_note(np.array([one.place for one in told]))
        return params, np.hstack([columns, trained]), places - trained * self.on_quality

    def _trained(self, history: History, candidates: Known) -> tuple[Array, Array]:
        """What the trainings should reach, and how sure that is; of a parent it is known."""
        firsts = list(history.trainings.values())
        mean, std = np.zeros((2, len(candidates), 1))
        if any(one.trained for one in firsts):
            model = self._fitted("trained", firsts, _trainings)
            rows = [candidate.training for candidate, _ in candidates]
            mean, std = model.predict(rows, np.zeros((len(rows), 0)))
        for i, (candidate, _) in enumerate(candidates):
            if candidate.parent in history.by_number:
                mean[i], std[i] = history.by_number[candidate.parent].trained, 0.0
        return mean, std

    def _fitted(self, name: str, told: Sequence[Told], lesson: Lesson) -> Surrogate:
        if self.models.get(name, (0,))[0] == len(told):
            return self.models[name][1]
        whole = len(told) - len(told) % max(REFIT_EVERY, len(told) // 20) or len(told)
        model = Surrogate(self.distributions)
        if self.scales.get(name, (0, []))[0] != whole:
            part = told[max(0, whole - MAX_SCALE_ROWS) : whole]
            self.scales[name] = whole, model.find_scales(*lesson(part))
        model.fit(*lesson(told[-MAX_ROWS:]), self.scales[name][1])
        self.models[name] = len(told), model
        return model


def _rows(known: Known) -> tuple[list[Params], Array]:
    """Parameters, and logarithms of the bounds of bytes and multiply-accumulates, (trials, 2)."""
    logs = [[math.log(max(1, b.size_bytes)), math.log(max(1, b.macs))] for _, b in known]
    return [candidate.params for candidate, _ in known], np.array(logs).reshape(-1, 2)


def _trainings(told: Sequence[Told]) -> tuple[list[Params], Array, Array]:
    rows = [one.candidate.training for one in told]
    return rows, np.zeros((len(rows), 0)), np.array([[one.trained] for one in told])


def _feasible(told: Sequence[Told]) -> tuple[list[Params], Array, Array]:
    known = _rows([(one.candidate, one.bound) for one in told])
    return *known, np.array([[float(one.is_feasible)] for one in told])


def _nearness(told: Sequence[Told]) -> tuple[list[Params], Array, Array]:
    """1 when feasible."""
    known = _rows([(one.candidate, one.bound) for one in told])
    return *known, np.array([[1 / (1 + max(0.0, one.violation))] for one in told])


def _thinned(front: Array) -> Array:
    most = int(MAX_COLUMNS ** (1 / max(1, front.shape[1] - 1)))
    return front if len(front) <= most else front[np.argsort(-crowding(front))[:most]]


def of_note(places: Array) -> Array:
    """How far a failure lies below the others says nothing about the front."""
    middle: Array = np.median(places, axis=0)
    raised: Array = np.maximum(places, middle - DEEPEST * (places.max(axis=0) - middle))
    return raised
