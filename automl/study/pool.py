"""Candidates for the next trial: relatives of the front's members, and some at random."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution

from automl.space import Domain, FloatDomain, IntDomain, OneOfDomain, Suggest
from automl.study.surrogate import Params
from automl.study.walk import Draw

STARTUP_TRIALS = 10
POOL = 100
NUM_CHANGED = (1, 1, 2, 3)
SHARE_RANDOM, SHARE_CROSSED = 0.2, 0.2
STEP = 0.2


@dataclass(frozen=True)
class Told:
    """A trial that ended: `values` on the axes, 1 best, None when it was not measured;
    `violation` of the constraints, 0 when it meets them; `extra` numbers that describe it."""

    params: Params
    distributions: dict[str, BaseDistribution]
    values: tuple[float, ...] | None
    violation: float = 0.0
    extra: tuple[float, ...] = ()

    @property
    def is_feasible(self) -> bool:
        return self.values is not None and self.violation <= 0


def stratified(number: int, seed: int, total: int = STARTUP_TRIALS) -> Suggest:
    """Suggests for the `number`th of `total` trials that spread evenly over each domain.

    A Latin hypercube whose axes are found on the way (McKay, Beckman, Conover 1979).
    """

    def suggest(path: str, domain: Domain) -> Any:
        rng = random.Random(f"{seed} {path}")
        strata = [(stratum + rng.random()) / total for stratum in rng.sample(range(total), total)]
        return at(domain, strata[number % total])

    return suggest


def make_pool(
    told: Sequence[Told], draw: Draw, rng: random.Random, known: Collection[str], size: int = POOL
) -> list[dict[str, Any]]:
    """Up to `size` different params whose `key` is not among the `known`: relatives of the front's
    members, and some at random."""
    parents = [told[i].params for i in front_of(told)]
    seen, pool = set(known), []
    for _ in range(2 * size):
        params = draw(_suggest(parents, rng))
        if key(params) not in seen:
            seen.add(key(params))
            pool.append(params)
        if len(pool) == size:
            break
    return pool


def key(params: Params) -> str:
    return json.dumps(params, sort_keys=True)


def front_of(told: Sequence[Told]) -> list[int]:
    """Positions of the feasible trials that none dominates; without one, of the least
    infeasible."""
    feasible = [i for i, t in enumerate(told) if t.is_feasible]
    if not feasible:
        measured = [i for i, t in enumerate(told) if t.values is not None]
        return sorted(measured, key=lambda i: told[i].violation)[:3]
    points = np.array([told[i].values for i in feasible])
    as_good = (points[:, None] >= points).all(axis=2)
    is_beaten = np.any(as_good & ~as_good.T, axis=0)
    return [feasible[i] for i in np.flatnonzero(~is_beaten)]


def at(domain: Domain, place: float) -> Any:
    """The value at a place in [0, 1)."""
    match domain:
        case IntDomain(low, high, step):
            return low + step * int(place * ((high - low) // step + 1))
        case FloatDomain(low, high, log):
            return low * (high / low) ** place if log else low + place * (high - low)
        case OneOfDomain():
            return domain.names()[int(place * len(domain.options))]
    raise AssertionError(domain)


def _near(domain: Domain, value: Any, rng: random.Random) -> Any:
    """A neighbour of a number, or any option."""
    if isinstance(domain, IntDomain):
        place = (value - domain.low + domain.step / 2) / (domain.high - domain.low + domain.step)
    elif isinstance(domain, FloatDomain) and domain.high > domain.low:
        low, high = domain.low, domain.high
        place = math.log(value / low, high / low) if domain.log else (value - low) / (high - low)
    else:
        return at(domain, rng.random())
    return at(domain, min(max(place + rng.gauss(0, STEP), 0.0), 1 - 1e-9))


def _suggest(parents: Sequence[Params], rng: random.Random) -> Suggest:
    """Of one kind, by chance: random, a changed parent, or two parents crossed and changed."""
    kind = rng.random()
    if not parents or kind < SHARE_RANDOM:
        return lambda path, domain: at(domain, rng.random())
    first = second = rng.choice(parents)
    if kind < SHARE_RANDOM + SHARE_CROSSED:
        second = rng.choice(parents)
    paths = sorted({*first, *second})
    changed = rng.sample(paths, min(rng.choice(NUM_CHANGED), len(paths)))

    def suggest(path: str, domain: Domain) -> Any:
        holders = [parent for parent in (first, second) if path in parent]
        if not holders:
            return at(domain, rng.random())
        value = rng.choice(holders)[path]
        return _near(domain, value, rng) if path in changed else value

    return suggest
