"""Functions of automl with all that they use, put into one file: a program that needs no automl."""

from __future__ import annotations

import ast
import importlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


def standalone_script(header: str, functions: Mapping[str, str], main: str) -> str:
    """The text of a program that runs `main`, an expression of these functions, given by the name
    of their module.

    Every function in it is the very one that automl itself uses.
    """
    gathered = _Gathered()
    for module in functions:
        gathered.add(module)
    used = _reached(set(functions.values()), gathered.uses)
    parts = dict.fromkeys(part for name, part in gathered.parts.items() if name in used)
    head = header + "\n" + _import_lines(used | {"Path"}, gathered.imports)
    run = f'if __name__ == "__main__":\n    {main}\n'
    return "\n\n\n".join([head, *parts, run])


@dataclass
class _Gathered:
    """The parts of modules by the names that they define, in an order in which each can stand."""

    modules: set[str] = field(default_factory=set)
    parts: dict[str, str] = field(default_factory=dict)
    uses: dict[str, set[str]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, module: str) -> None:
        """Add the parts of a module of ours, after those of the modules that it imports."""
        if module in self.modules:
            return
        self.modules.add(module)
        text = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._import(node)
            elif names := _defined(node):
                self._define(names, node, text)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        source = str(node.module) if isinstance(node, ast.ImportFrom) else ""
        if source.startswith("automl."):
            self.add(source)
            return
        for alias in node.names:
            self.imports[alias.asname or alias.name] = (source, ast.unparse(alias))

    def _define(self, names: list[str], node: ast.stmt, text: str) -> None:
        used = _used(node)
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        lines = text.splitlines()[first - 1 : node.end_lineno]
        for name in names:
            assert name not in self.parts, f"two modules define {name}"
            self.parts[name], self.uses[name] = "\n".join(lines), used


def _defined(node: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [n.id for t in targets if t for n in ast.walk(t) if isinstance(n, ast.Name)]


def _used(node: ast.AST) -> set[str]:
    """The names that a part takes from around it: not those that its functions make themselves."""
    used = set[str]()
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        used.add(node.id)
    for child in ast.iter_child_nodes(node):
        used |= _used(child)
    if isinstance(node, ast.FunctionDef):
        inner = list(ast.walk(node))
        used -= {n.id for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        used -= {n.arg for n in inner if isinstance(n, ast.arg)}
    return used


def _reached(names: set[str], uses: dict[str, set[str]]) -> set[str]:
    """The names given, and all that their parts use, one behind the other."""
    reached, open_names = set(names), list(names)
    while open_names:
        new = uses.get(open_names.pop(), set()) - reached
        reached |= new
        open_names += new
    return reached


def _import_lines(used: set[str], imports: dict[str, tuple[str, str]]) -> str:
    """The imports of what is used: `import x` before `from x import y`."""
    plain = [what for name, (source, what) in imports.items() if name in used and not source]
    wanted = defaultdict(list)
    for name, (source, what) in imports.items():
        if name in used and source:
            wanted[source].append(what)
    lines = [f"import {what}" for what in sorted(plain)]
    for source in sorted(wanted):
        lines.append(f"from {source} import {', '.join(sorted(wanted[source]))}")
    return "\n".join(line for line in lines if "__future__" not in line)
