"""How much each candidate is expected to add to the front, by a model of what was told.

Quality is foretold in two parts: what the training should reach, and what the compression costs
relative to that. The second carries over from one trained model to the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from automl import pareto, quality
from automl.space import Space, tail
from automl.study.gain import expected_gain
from automl.study.gaussian import Array, Scales
from automl.study.judging import Bound
from automl.study.pool import Candidate
from automl.study.study import Settings, TrialRecord
from automl.study.surrogate import Params, Surrogate

MAX_ROWS, MAX_SCALE_ROWS = 250, 100
REFIT_EVERY = 5
DEEPEST = 1.5
MIN_CHANCE = 1e-3
FIXED_WORK = 1e10
"""What a trial takes beside its steps, export and measuring, in multiply-accumulates: about a
second."""


@dataclass(frozen=True)
class Told:
    """A trial that was measured: `place` on the axes, 1 best; by how much it breaks the
    constraints; and where its training had ended on the axis of quality, 0 without one."""

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
    conditions = [c for text in settings.constraints for c in pareto.parse_where(text)]
    reached = [axis.at(parents[name]) for name, axis in settings.axes.items() if name in parents]
    return Told(
        number=record.number,
        candidate=candidate,
        bound=bound,
        place=tuple(axis.at(values[name]) for name, axis in settings.axes.items()),
        violation=pareto.violation(values, conditions),
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
Targets = Callable[[slice], Array]
"""What some of the trials are to teach."""


class Ranker:
    """Expected hypervolume gains of candidates.

    A model's scales are those of the last whole multiple of `REFIT_EVERY` trials: keeping them
    saves time and changes no answer, as long as each call's trials go on from the last one's.
    """

    def __init__(self, settings: Settings, space: Space) -> None:
        self.space = space
        names = list(settings.axes)
        self.on_quality = np.array([float(name in quality.METRICS) for name in names])
        self.scales: dict[str, tuple[int, list[Scales]]] = {}

    def best_first(self, told: Sequence[Told], candidates: Known, pending: Known) -> list[int]:
        """Positions of the candidates by gain per work; `pending` ones are taken to end as
        foretold, so that the next one is another."""
        gains = self.gains(told, candidates, pending)
        worth = gains / np.array([work(*pair) for pair in candidates])
        return [int(i) for i in np.argsort(-worth, kind="stable")]

    def gains(self, told: Sequence[Told], candidates: Known, pending: Known = ()) -> Array:
        """Per candidate the hypervolume that it is expected to add, times its chance to be
        feasible; while nothing is, how much nearer to being so it is expected to come."""
        if not any(one.is_feasible for one in told):
            nearness = _nearness(told)
            model = self._model("nearness", told, nearness.__getitem__, _columns(told))
            return expected_gain(nearness, *model.predict(*_rows(candidates)))
        gains = self._gains(told, candidates, pending)
        if all(one.is_feasible for one in told):
            return gains
        feasible = np.array([[float(one.is_feasible)] for one in told])
        model = self._model("feasible", told, feasible.__getitem__, _columns(told))
        chance, _ = model.predict(*_rows(candidates))
        return gains * np.clip(chance[:, 0], MIN_CHANCE, 1.0)

    def _gains(self, told: Sequence[Told], candidates: Known, pending: Known) -> Array:
        trained = np.array([[one.trained] for one in told])
        places = np.array([one.place for one in told])
        front = places[_front(told)]

        def costs(rows: slice) -> Array:
            raised: Array = _of_note(places[rows]) - trained[rows] * self.on_quality
            return raised

        model = self._model("costs", told, costs, np.hstack([_columns(told), trained]))
        if pending:
            reached, _ = self._trained(told, pending)
            rows, columns = _rows(pending)
            believed, _ = model.predict(rows, np.hstack([columns, reached]))
            model.add(rows, np.hstack([columns, reached]), believed)
            front = np.vstack([front, (believed + reached * self.on_quality).clip(0.0, 1.0)])
        reached, doubt = self._trained(told, candidates)
        rows, columns = _rows(candidates)
        mean, std = model.predict(rows, np.hstack([columns, reached]))
        mean, std = mean + reached * self.on_quality, np.hypot(std, doubt * self.on_quality)
        return expected_gain(front, mean, std)

    def _trained(self, told: Sequence[Told], candidates: Known) -> tuple[Array, Array]:
        """What the trainings should reach, and how sure that is; of a parent it is known."""
        known = {one.number: one.trained for one in told}
        by_training: dict[str, Told] = {}
        for one in told:
            by_training.setdefault(self._training_key(one.candidate), one)
        firsts = list(by_training.values())
        targets = np.array([[one.trained] for one in firsts])
        mean, std = np.zeros((2, len(candidates), 1))
        if targets.any():
            empty = np.zeros((len(firsts), 0))
            params = [self._training(one.candidate) for one in firsts]
            learned = [one.candidate for one in firsts]
            model = self._fitted("trained", learned, params, empty, targets.__getitem__)
            rows = [self._training(candidate) for candidate, _ in candidates]
            mean, std = model.predict(rows, np.zeros((len(rows), 0)))
        for i, (candidate, _) in enumerate(candidates):
            if candidate.parent in known:
                mean[i], std[i] = known[candidate.parent], 0.0
        return mean, std

    def _training(self, candidate: Candidate) -> Params:
        """The parameters that the training goes by."""
        cut = tail(self.space, candidate.params)
        return {path: value for path, value in candidate.params.items() if path not in cut}

    def _training_key(self, candidate: Candidate) -> str:
        return repr(sorted(self._training(candidate).items()))

    def _model(self, name: str, told: Sequence[Told], targets: Targets, extra: Array) -> Surrogate:
        candidates = [one.candidate for one in told]
        return self._fitted(name, candidates, [c.params for c in candidates], extra, targets)

    def _fitted(
        self,
        name: str,
        candidates: Sequence[Candidate],
        params: Sequence[Params],
        extra: Array,
        targets: Targets,
    ) -> Surrogate:
        whole = len(params) - len(params) % max(REFIT_EVERY, len(params) // 20) or len(params)
        pairs = zip(candidates[:whole], params[:whole], strict=True)
        of_all = {path: c.distributions[path] for c, row in pairs for path in row}
        model = Surrogate(of_all)
        if self.scales.get(name, (0, []))[0] != whole:
            part = slice(max(0, whole - MAX_SCALE_ROWS), whole)
            self.scales[name] = whole, model.find_scales(params[part], extra[part], targets(part))
        latest = slice(max(0, len(params) - MAX_ROWS), None)
        model.fit(params[latest], extra[latest], targets(latest), self.scales[name][1])
        return model


def _columns(told: Sequence[Told]) -> Array:
    """Logarithms of the bounds of bytes and multiply-accumulates, (trials, 2)."""
    return _logs([one.bound for one in told])


def _rows(known: Known) -> tuple[list[Params], Array]:
    return [candidate.params for candidate, _ in known], _logs([bound for _, bound in known])


def _logs(bounds: Sequence[Bound]) -> Array:
    logs = [[math.log(max(1, b.size_bytes)), math.log(max(1, b.macs))] for b in bounds]
    return np.array(logs).reshape(-1, 2)


def _front(told: Sequence[Told]) -> list[int]:
    """Positions of the feasible trials that none dominates."""
    feasible = [i for i, one in enumerate(told) if one.is_feasible]
    points = np.array([told[i].place for i in feasible])
    as_good = (points[:, None] >= points).all(axis=2)
    beaten = (as_good & ~as_good.T).any(axis=0)
    return [feasible[i] for i in np.flatnonzero(~beaten)]


def _of_note(places: Array) -> Array:
    """How far a failure lies below the others says nothing about the front."""
    middle: Array = np.median(places, axis=0)
    raised: Array = np.maximum(places, middle - DEEPEST * (places.max(axis=0) - middle))
    return raised


def _nearness(told: Sequence[Told]) -> Array:
    """1 when feasible."""
    return np.array([[1 / (1 + max(0.0, one.violation))] for one in told])
