"""What was recorded, as text, and what differs between two such trees, by its path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

DIGITS = 9
OPEN_LEVELS = 4
"""So many levels of a tree are spread over lines; what is below stands on one."""
SHOWN = 160
"""So many characters of a value are shown."""


def differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """One line for each thing that moved, e.g. `proposals/digits/0/17/parent: null -> 3`."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            yield from _of_member(before, now, key, f"{path}/{key}".lstrip("/"))
    elif isinstance(before, list) and isinstance(now, list):
        yield from _of_lists(before, now, path)
    elif _line(before) != _line(now):
        yield f"{path}: {_shown(before)} -> {_shown(now)}"


def rounded(tree: Any) -> Any:
    """A tree whose floats have so many digits."""
    if isinstance(tree, dict):
        return {key: rounded(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [rounded(value) for value in tree]
    return float(f"{tree:.{DIGITS}g}") if isinstance(tree, float) else tree


def text(tree: Any, levels: int = OPEN_LEVELS, margin: str = "") -> str:
    """JSON of which each line says one thing."""
    if not levels or not tree or not isinstance(tree, dict | list):
        return _line(tree)
    inner, keys = margin + " ", tree if isinstance(tree, dict) else None
    names = [f"{_line(key)}: " for key in keys] if keys else [""] * len(tree)
    values = [text(v, levels - 1, inner) for v in (tree.values() if keys else tree)]
    lines = ",\n".join(f"{inner}{name}{value}" for name, value in zip(names, values, strict=True))
    opening, closing = "{}" if keys else "[]"
    return f"{opening}\n{lines}\n{margin}{closing}"


def _of_member(before: dict[str, Any], now: dict[str, Any], key: str, path: str) -> Iterator[str]:
    if key not in now:
        yield f"{path}: gone: {_shown(before[key])}"
    elif key not in before:
        yield f"{path}: new: {_shown(now[key])}"
    else:
        yield from differences(before[key], now[key], path)


def _of_lists(before: list[Any], now: list[Any], path: str) -> Iterator[str]:
    """Items are paired so that one more of them does not move all that follow."""
    lines = [[_line(item) for item in items] for items in (before, now)]
    for kind, a, b, c, d in SequenceMatcher(None, *lines, autojunk=False).get_opcodes():
        if kind == "replace" and b - a == d - c:
            for place in range(a, b):
                yield from differences(before[place], now[c + place - a], f"{path}/{place}")
        elif kind != "equal":
            yield from (f"{path}/{i}: gone: {_shown(before[i])}" for i in range(a, b))
            yield from (f"{path}/{i}: new: {_shown(now[i])}" for i in range(c, d))


def _line(tree: Any) -> str:
    return json.dumps(tree, ensure_ascii=False)


def _shown(tree: Any) -> str:
    line = _line(tree)
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"
