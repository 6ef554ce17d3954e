"""Suggestions that lean to what a space marks as likely."""

from __future__ import annotations

import math
import random

from automl.space.domains import Domain, FloatDomain, IntDomain, OneOfDomain, ParamValue, Suggest

WIDTH = 0.1
"""Near a likely number: a standard deviation of this share of its range."""


def likely(suggest: Suggest) -> Suggest:
    """A `Suggest` that gives the likely value of each marked leaf, else the one of `suggest`."""

    def suggest_likely(path: str, domain: Domain) -> ParamValue:
        return suggest(path, domain) if domain.likely is None else domain.likely

    return suggest_likely


def leaning(suggest: Suggest, rng: random.Random, share: float = 0.5) -> Suggest:
    """A `Suggest` that moves a `share` of the marked leaves near their likely values.

    All other leaves get the value of `suggest`. Each leaf is decided on by itself, so that every
    value stays within reach.
    """

    def suggest_leaning(path: str, domain: Domain) -> ParamValue:
        if domain.likely is None or rng.random() >= share:
            return suggest(path, domain)
        return near(domain, domain.likely, rng)

    return suggest_leaning


def near(domain: Domain, center: ParamValue, rng: random.Random) -> ParamValue:
    """An option itself, or a number from a normal distribution around the number given."""
    if isinstance(domain, OneOfDomain):
        return center
    assert isinstance(center, int | float)
    match domain:
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
