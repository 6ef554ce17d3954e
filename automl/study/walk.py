"""Draws from a conditional space without building a config each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from automl.space import Domain, OneOfDomain, Suggest

Draw = Callable[[Suggest], dict[str, Any]]
Leaf = tuple[str, Domain]


class Walk:
    """The same draws as `draw` gives, most without calling it.

    Which leaf is asked for next depends on nothing but the options and lengths chosen before, so
    that it need be asked only once after each. `draw` walks a space and returns flat params.
    """

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.leaves: dict[tuple[Any, ...], Leaf | None] = {}

    def __call__(self, suggest: Suggest) -> dict[str, Any]:
        params: dict[str, Any] = {}
        place: tuple[Any, ...] = ()
        while place in self.leaves:
            leaf = self.leaves[place]
            if leaf is None:
                return params
            params[leaf[0]] = suggest(*leaf)
            place = _after(place, leaf, params[leaf[0]])
        return self._learn(params, suggest)

    def _learn(self, begun: dict[str, Any], suggest: Suggest) -> dict[str, Any]:
        params: dict[str, Any] = {}
        place: tuple[Any, ...] = ()

        def suggest_and_note(path: str, domain: Domain) -> Any:
            nonlocal place
            self.leaves[place] = path, domain
            params[path] = begun[path] if path in begun else suggest(path, domain)
            place = _after(place, (path, domain), params[path])
            return params[path]

        self.draw(suggest_and_note)
        self.leaves[place] = None
        return params


def _after(place: tuple[Any, ...], leaf: Leaf, value: Any) -> tuple[Any, ...]:
    path, domain = leaf
    decides = isinstance(domain, OneOfDomain) or path.endswith(".length")
    return (*place, value if decides else None)
