"""Metrics that a user's code defines: what stored qualities depend on beside the recipe."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from textwrap import dedent

from automl import quality, user_code
from automl.quality import METRICS, Metric

OURS = {
    "Metric",
    *(type(own).__name__ for own in METRICS.values() if type(own).__module__ == quality.__name__),
}
"""The names of our own metrics, the same in every process, and of what all metrics are below."""


@cache
def source(space_text: str) -> tuple[bool, tuple[str, ...]]:
    """Tell whether a space's text defines a metric, and the modules with those that it imports.

    The space must have been loaded.
    """
    found = dict[str, type[Metric]]()
    for module in user_code.imported(space_text):
        for value in vars(sys.modules[module]).values() if module in sys.modules else ():
            if (
                issubclass(type(value), type)  # `isinstance` asks the value, and some warn or raise
                and issubclass(value, Metric)
                and not user_code.is_ours(value.__module__)
            ):
                found[value.__name__] = value
    modules = tuple(dict.fromkeys(metric.__module__ for metric in found.values()))
    return user_code.defines_below(space_text, {*OURS, *found}), modules


def definitions(names: Iterable[str]) -> dict[str, str]:
    """The definition of each of these names that is a metric, with those of the user's classes
    that it is below."""
    return {name: _definition(METRICS[name]) for name in names if name in METRICS}


def _definition(metric: Metric) -> str:
    texts = [repr((metric.better, metric.perfect))]
    for cls in type(metric).__mro__[:-1]:
        if not user_code.is_ours(cls.__module__):
            # Without its source what it is called has to tell.
            with suppress(OSError, SyntaxError):
                texts.append(ast.unparse(ast.parse(dedent(inspect.getsource(cls)))))
    return "\n".join(texts)
