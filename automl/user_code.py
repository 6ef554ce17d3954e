"""Code that a user defines in a space file: what of its text stored results depend on."""

from __future__ import annotations

import ast


def fingerprint(text: str) -> str:
    """The text that a user's own classes depend on: all but the statement building the space."""
    tree = ast.parse(text)
    tree.body = [node for node in tree.body if not _builds_space(node)]
    return ast.unparse(tree)


def _builds_space(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name | ast.Attribute)
        and (value.func.id if isinstance(value.func, ast.Name) else value.func.attr) == "Space"
    )
