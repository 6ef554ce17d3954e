"""Code that a user writes, in a space file or a module: the text that stored results depend on."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Container

OURS = "automl"
BYTE_ORDER_MARK = "\ufeff"
"""What some editors put before a text; Python skips the mark in a file, and not in a text."""


def is_ours(module: str) -> bool:
    """True of a module of this package, by its name."""
    return module.partition(".")[0] == OURS


def fingerprint(text: str) -> str:
    """The text that a user's own classes depend on: all but the statement that builds the space."""
    tree = _parsed(text)
    tree.body = [node for node in tree.body if not _builds_space(node)]
    return ast.unparse(tree)


@functools.cache
def of_module(module: str) -> str:
    """The code of a user's module as it was loaded; "" of one of ours, and of one without source.

    What that module itself imports does not count.
    """
    if is_ours(module):
        return ""
    try:
        return fingerprint(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError):
        return ""


def defines_below(text: str, bases: Container[str]) -> bool:
    """True of a text that defines a class right below a class of one of these names."""
    classes = (node for node in _parsed(text).body if isinstance(node, ast.ClassDef))
    return any(_last_name(base) in bases for node in classes for base in node.bases)


def imported(text: str) -> list[str]:
    """The modules, and what may be modules, that a text imports by their full names."""
    found: list[str] = []
    for node in ast.walk(_parsed(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [node.module, *names]
    return list(dict.fromkeys(found))


def _parsed(text: str) -> ast.Module:
    return ast.parse(text.removeprefix(BYTE_ORDER_MARK))


def _builds_space(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    return isinstance(value, ast.Call) and _last_name(value.func) == "Space"


def _last_name(expression: ast.expr) -> str:
    """`Space` of `Space` and of `automl.Space`; "" of what is no name."""
    match expression:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return ""
