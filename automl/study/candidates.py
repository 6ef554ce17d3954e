"""What might be tried: changes of good trials, and new compressions of trained models."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution

from automl.priors import near
from automl.space import (
    Domain,
    Space,
    Suggest,
    TrialConfig,
    recording,
    sample,
    tail,
    uniform,
)
from automl.study.samplers import distribution

KEPT_SHARE = 0.75
"""How much of a trial a change of it keeps."""


@dataclass(frozen=True)
class Candidate:
    """A trial that might be proposed; `parent` is the number of a told one whose training it
    goes on from."""

    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    config: TrialConfig
    parent: int | None = None


def walk(space: Space, suggest: Suggest, parent: int | None = None) -> Candidate:
    """The candidate that these suggestions make."""
    params: dict[str, Any] = {}
    domains: dict[str, Domain] = {}

    def noting(path: str, domain: Domain) -> Any:
        domains[path] = domain
        return suggest(path, domain)

    config = sample(space, recording(noting, params))
    return Candidate(params, {p: distribution(d) for p, d in domains.items()}, config, parent)


def changed(params: Mapping[str, Any], rng: random.Random) -> Suggest:
    """Suggests what a trial has, here and there something near it, or anything."""
    anything = uniform(rng)

    def suggest(path: str, domain: Domain) -> Any:
        if path not in params or not domain.allows(params[path]):
            return anything(path, domain)
        if rng.random() < KEPT_SHARE:
            return params[path]
        return near(domain, params[path], rng) if rng.random() < 0.5 else anything(path, domain)

    return suggest


def changes(
    space: Space, good: Sequence[Mapping[str, Any]], count: int, rng: random.Random
) -> Iterator[Candidate]:
    """Good trials, each changed a little."""
    for _ in range(count if good else 0):
        yield walk(space, changed(rng.choice(good), rng))


def branches(
    space: Space,
    parents: Sequence[tuple[int, Mapping[str, Any]]],
    good: Sequence[Mapping[str, Any]],
    count: int,
    rng: random.Random,
) -> Iterator[Candidate]:
    """Trained models, each under a compression of a good trial, changed a little."""
    for _ in range(count if parents else 0):
        number, params = rng.choice(parents)
        cut = tail(space, dict(params))
        trained = {path: value for path, value in params.items() if path not in cut}
        compression = changed(rng.choice(good), rng) if good else uniform(rng)
        yield walk(space, _first(trained, compression), number)


def _first(trained: Mapping[str, Any], then: Suggest) -> Callable[[str, Domain], Any]:
    def suggest(path: str, domain: Domain) -> Any:
        return trained[path] if path in trained else then(path, domain)

    return suggest
