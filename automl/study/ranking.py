"""How much each candidate is expected to add to the front, by a model of what was told."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from automl.study.gain import expected_gain
from automl.study.gaussian import Array, Scales
from automl.study.pool import Told, front_of, make_pool
from automl.study.surrogate import Params, Surrogate
from automl.study.walk import Draw

MAX_ROWS, MAX_SCALE_ROWS = 250, 100
REFIT_EVERY = 5
DEEPEST = 3.0
MIN_CHANCE = 1e-3
DOUBT = 1.5
"""Scales fitted on few rows make a model too sure of itself: its errors were 1.1 to 1.5 spreads."""

Targets = Callable[[Sequence[Told]], Array]


@dataclass(frozen=True)
class Candidate:
    """A trial that could come next. `extra` are numbers that describe it, as in `Told`."""

    params: Params
    extra: tuple[float, ...] = ()


def best_first(
    told: Sequence[Told],
    draw: Draw,
    known: Collection[str],
    rng: random.Random,
    ranker: Ranker,
    pending: Sequence[Candidate] = (),
) -> list[Candidate]:
    """A pool of new candidates by expected gain. `known` are keys of params not to repeat."""
    pool = [Candidate(params) for params in make_pool(told, draw, rng, known)]
    gains = ranker.gains(told, pool, pending) if pool else np.zeros(0)
    return [pool[i] for i in np.argsort(-gains, kind="stable")]


class Ranker:
    """Expected hypervolume gains of candidates.

    A model's scales are those of the last whole multiple of `REFIT_EVERY` trials: keeping them
    saves time and changes no answer, as long as each call's trials go on from the last one's.
    """

    def __init__(self) -> None:
        self.scales: dict[Targets, tuple[int, list[Scales]]] = {}

    def gains(
        self,
        told: Sequence[Told],
        candidates: Sequence[Candidate],
        pending: Sequence[Candidate] = (),
    ) -> Array:
        """Per candidate the hypervolume that it is expected to add, times its chance to be
        feasible; while nothing is, how much nearer to being so it is expected to come.

        `told` holds at least one trial; `pending` ones are taken to end as predicted.
        """
        if not any(t.is_feasible for t in told):
            return self._gains(_nearness, told, _nearness(told), candidates, pending)
        front = _values([told[i] for i in front_of(told)])
        measured = [t for t in told if t.values is not None]
        gains = self._gains(_values_of_note, measured, front, candidates, pending)
        if all(t.is_feasible for t in told):
            return gains
        chance, _ = self._model(_feasible, told).predict(*_split(candidates))
        return gains * np.clip(chance[:, 0], MIN_CHANCE, 1.0)

    def _gains(
        self,
        targets: Targets,
        told: Sequence[Told],
        front: Array,
        candidates: Sequence[Candidate],
        pending: Sequence[Candidate],
    ) -> Array:
        model = self._model(targets, told)
        if pending:
            believed, _ = model.predict(*_split(pending))
            model.add(*_split(pending), believed)
            front = np.vstack([front, believed.clip(0.0, 1.0)])
        mean, std = model.predict(*_split(candidates))
        return expected_gain(front, mean, DOUBT * std)

    def _model(self, targets: Targets, told: Sequence[Told]) -> Surrogate:
        whole = len(told) - len(told) % REFIT_EVERY or len(told)
        model = Surrogate({path: d for t in told[:whole] for path, d in t.distributions.items()})
        if self.scales.get(targets, (0, []))[0] != whole:
            recent = told[max(0, whole - MAX_SCALE_ROWS) : whole]
            self.scales[targets] = whole, model.find_scales(*_split(recent), targets(recent))
        rows = _window(told)
        model.fit(*_split(rows), targets(rows), self.scales[targets][1])
        return model


def _window(told: Sequence[Told]) -> Sequence[Told]:
    """The front and the latest trials."""
    if len(told) <= MAX_ROWS:
        return told
    kept = set(front_of(told)[-MAX_ROWS:])
    for i in reversed(range(len(told))):
        if len(kept) == MAX_ROWS:
            break
        kept.add(i)
    return [told[i] for i in sorted(kept)]


def _split(rows: Sequence[Told | Candidate]) -> tuple[list[Params], Array]:
    return [row.params for row in rows], np.array([row.extra for row in rows])


def _values(told: Sequence[Told]) -> Array:
    return np.array([t.values for t in told])


def _values_of_note(told: Sequence[Told]) -> Array:
    """Values; how far a failure lies below the others says nothing about the front."""
    values = _values(told)
    middle = np.median(values, axis=0)
    return np.asarray(np.maximum(values, middle - DEEPEST * (values.max(axis=0) - middle)))


def _feasible(told: Sequence[Told]) -> Array:
    return np.array([[float(t.is_feasible)] for t in told])


def _nearness(told: Sequence[Told]) -> Array:
    """1 when feasible, 0 when nothing is known."""
    return np.array([[0.0 if t.values is None else 1 / (1 + t.violation)] for t in told])
