"""Candidates for the next trial: relatives of good ones, compressions of trained models, others."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution

from automl.space.domains import Domain, FloatDomain, IntDomain, Suggest, at
from automl.space.initial_points import given
from automl.space.priors import leaning
from automl.space.sampling import trace, uniform
from automl.space.space import Space, TrialConfig
from automl.study.propose.samplers import distribution

SHARE_BRANCHES, SHARE_RANDOM, SHARE_CROSSED = 0.5, 0.1, 0.2
NUM_CHANGED = (1, 1, 2, 3)
STEP = 0.2
"""A number changes by this share of its range, as a standard deviation."""
LEANING_SHARE = 0.5
"""How often a random draw takes what is likely."""

Params = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A trial that might be proposed; `parent` is the number of the one whose training it is to
    go on from."""

    params: dict[str, Any]
    domains: dict[str, Domain]
    tail: frozenset[str]
    config: TrialConfig
    parent: int | None = None

    @cached_property
    def key(self) -> str:
        return key(self.params)

    @cached_property
    def training(self) -> Params:
        """The parameters that the training goes by."""
        return {path: value for path, value in self.params.items() if path not in self.tail}

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The domains as Optuna knows them."""
        return {path: distribution(domain) for path, domain in self.domains.items()}


def key(params: Params) -> str:
    """One text for equal parameters."""
    return json.dumps(params, sort_keys=True)


def walk(space: Space, suggest: Suggest, parent: int | None = None) -> Candidate:
    """The candidate that these suggestions make."""
    made = trace(space, suggest)
    return Candidate(made.params, made.domains, made.tail, made.config, parent)


def candidates(
    space: Space,
    good: Sequence[Params],
    parents: Mapping[int, Params],
    rng: random.Random,
    count: int,
) -> Iterator[Candidate]:
    """So many: relatives of the good trials, compressions of what the parents had trained, and
    some at random. A parent is given by the parameters of its training."""
    numbers = sorted(parents)
    for _ in range(count):
        kind = rng.random()
        if kind < SHARE_RANDOM or not good:
            yield walk(space, leaning(uniform(rng), rng, LEANING_SHARE))
        elif numbers and kind < SHARE_RANDOM + SHARE_BRANCHES:
            number = rng.choice(numbers)
            yield walk(space, given(parents[number], related(good, rng)), number)
        else:
            yield walk(space, related(good, rng))


def stratified(number: int, seed: str, total: int) -> Suggest:
    """Suggests for the `number`th of `total` trials that spread evenly over each domain.

    A Latin hypercube whose axes are found on the way (McKay, Beckman, Conover 1979).
    """

    def suggest(path: str, domain: Domain) -> Any:
        rng = random.Random(f"{seed} {path}")
        strata = [(stratum + rng.random()) / total for stratum in rng.sample(range(total), total)]
        return at(domain, strata[number % total])

    return suggest


def related(good: Sequence[Params], rng: random.Random) -> Suggest:
    """Suggests what a good trial has, or two of them crossed, with a few values changed."""
    first = second = rng.choice(good)
    if rng.random() < SHARE_CROSSED:
        second = rng.choice(good)
    paths = sorted({*first, *second})
    changed = rng.sample(paths, min(rng.choice(NUM_CHANGED), len(paths)))

    def suggest(path: str, domain: Domain) -> Any:
        holders = [one for one in (first, second) if path in one and domain.allows(one[path])]
        if not holders:
            return at(domain, rng.random())
        value = rng.choice(holders)[path]
        return _near(domain, value, rng) if path in changed else value

    return suggest


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
