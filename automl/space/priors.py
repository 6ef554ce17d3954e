"""Suggestions that lean to what a space marks as likely."""

from __future__ import annotations

import math
import random
from typing import Any

from automl.space.domains import Domain, FloatDomain, IntDomain, OneOfDomain, Suggest

WIDTH = 0.1
"""Near a likely number: a standard deviation of this share of its range."""


def likely(suggest: Suggest) -> Suggest:
    """Suggests the likely value where one is marked, else what `suggest` does."""

    def suggest_likely(path: str, domain: Domain) -> Any:
        return suggest(path, domain) if domain.likely is None else domain.likely

    return suggest_likely


def leaning(suggest: Suggest, rng: random.Random, share: float = 0.5) -> Suggest:
    """Suggests what `suggest` does; of the marked leaves `share` near their likely value instead.

    Each leaf is decided for by itself, so that every value stays within reach.
    """

    def suggest_leaning(path: str, domain: Domain) -> Any:
        if domain.likely is None or rng.random() >= share:
            return suggest(path, domain)
        return near(domain, domain.likely, rng)

    return suggest_leaning


def near(domain: Domain, center: Any, rng: random.Random) -> Any:
    """An option itself, or a number from a normal distribution around the one given."""
    match domain:
        case OneOfDomain():
            return center
        case IntDomain(low, high, step):
            drawn = _normal(rng, center, low, high)
            return low + step * round((drawn - low) / step)
        case FloatDomain(low, high, log=True):
            ends = (math.log(center), math.log(low), math.log(high))
            return min(high, max(low, math.exp(_normal(rng, *ends))))
        case FloatDomain(low, high):
            return _normal(rng, center, low, high)
    raise AssertionError(domain)


def _normal(rng: random.Random, mean: float, low: float, high: float) -> float:
    """A draw between low and high, where the mean lies, too."""
    while not low <= (drawn := rng.gauss(mean, WIDTH * (high - low))) <= high:
        pass
    return drawn
