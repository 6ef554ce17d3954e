"""Candidates for the next trial: relatives of good trials, compressions of models, others."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from optuna.distributions import BaseDistribution

from automl.space.domains import Domain, FloatDomain, IntDomain, Params, ParamValue, Suggest, at
from automl.space.initial_points import given
from automl.space.priors import leaning
from automl.space.sampling import trace, uniform
from automl.space.space import Space, TrialConfig
from automl.study.propose.samplers import distributions
from automl.study.trial_id import TrialId

SHARE_BRANCHES, SHARE_RANDOM, SHARE_CROSSED = 0.5, 0.1, 0.2
NUM_CHANGED = (1, 1, 2, 3)
STEP = 0.2
"""The change of a number as a share of its range: a standard deviation."""
LEANING_SHARE = 0.5
"""The share of random draws that take what is likely."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A trial that might be proposed; `parent` is the trial whose training it is to go on from.

    `tail` are the paths that can change while the training stays as it is.
    """

    params: Params
    domains: dict[str, Domain]
    tail: frozenset[str]
    config: TrialConfig
    parent: TrialId | None = None

    @cached_property
    def key(self) -> str:
        return key(self.params)

    @cached_property
    def digest(self) -> bytes:
        return digest(self.key)

    @cached_property
    def training(self) -> Params:
        """The parameters that decide the training."""
        return {path: value for path, value in self.params.items() if path not in self.tail}

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The domains as Optuna knows them."""
        return distributions(self.domains)


def key(params: Params) -> str:
    """A text that equal parameters share."""
    return json.dumps(params, sort_keys=True)


def digest(key: str) -> bytes:
    """A short name of a key: a search remembers one of every candidate that it has seen."""
    return hashlib.blake2b(key.encode(), digest_size=12).digest()


def walk(space: Space, suggest: Suggest, parent: TrialId | None = None) -> Candidate:
    """The candidate that these suggestions make."""
    made = trace(space, suggest)
    return Candidate(made.params, made.domains, made.tail, made.config, parent)


class Walk(Protocol):
    """A walk through a search's space; None where a class of the user's refuses to be made so."""

    def __call__(self, suggest: Suggest, parent: TrialId | None = None) -> Candidate | None: ...


def candidates(
    walk: Walk,
    good: Sequence[Params],
    parents: Mapping[TrialId, Params],
    rng: random.Random,
    count: int,
) -> Iterator[Candidate]:
    """Draw relatives of the good trials, compressions of what the parents had trained, and others
    at random: `count` in all, but for those that cannot be. A parent is given by the parameters
    of its training."""
    trained = sorted(parents)
    for _ in range(count):
        kind = rng.random()
        if kind < SHARE_RANDOM or not good:
            drawn = walk(leaning(uniform(rng), rng, LEANING_SHARE))
        elif trained and kind < SHARE_RANDOM + SHARE_BRANCHES:
            parent = rng.choice(trained)
            drawn = walk(given(parents[parent], related(good, rng)), parent)
        else:
            drawn = walk(related(good, rng))
        if drawn is not None:
            yield drawn


def stratified(number: int, seed: str, total: int) -> Suggest:
    """Suggest for the `number`th of `total` trials that spread evenly over each domain.

    This is a Latin hypercube whose axes are found on the way (McKay, Beckman, Conover 1979).
    """

    def suggest(path: str, domain: Domain) -> ParamValue:
        rng = random.Random(f"{seed} {path}")
        strata = [(stratum + rng.random()) / total for stratum in rng.sample(range(total), total)]
        return _at(domain, strata[number % total])

    return suggest


def related(good: Sequence[Params], rng: random.Random) -> Suggest:
    """Suggest what a good trial has, or two of them crossed, with a few values changed."""
    first = second = rng.choice(good)
    if rng.random() < SHARE_CROSSED:
        second = rng.choice(good)
    paths = sorted({*first, *second})
    changed = rng.sample(paths, min(rng.choice(NUM_CHANGED), len(paths)))

    def suggest(path: str, domain: Domain) -> ParamValue:
        holders = [p for p in (first, second) if path in p and domain.allows(p[path])]
        if not holders:
            return _at(domain, rng.random())
        value: ParamValue = rng.choice(holders)[path]
        return _near(domain, value, rng) if path in changed else value

    return suggest


def _near(domain: Domain, value: ParamValue, rng: random.Random) -> ParamValue:
    """A neighbour of a number, or any option."""
    if isinstance(value, str) or value is None:
        return _at(domain, rng.random())
    if isinstance(domain, IntDomain):
        share = (value - domain.low + domain.step / 2) / (domain.high - domain.low + domain.step)
    elif isinstance(domain, FloatDomain) and domain.high > domain.low:
        low, high = domain.low, domain.high
        share = math.log(value / low, high / low) if domain.log else (value - low) / (high - low)
    else:
        return _at(domain, rng.random())
    return _at(domain, min(max(share + rng.gauss(0, STEP), 0.0), 1 - 1e-9))


def _at(domain: Domain, share: float) -> ParamValue:
    value: ParamValue = at(domain, share)
    return value
