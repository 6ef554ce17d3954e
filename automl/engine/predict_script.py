"""The `predict.py` of an export: the functions that read and answer rows, put into one file."""

from __future__ import annotations

import ast
import importlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from automl.predictor import script
from automl.predictor.load import READERS

HEADER = '''"""Predictions of the model in this folder, for rows as they come.

Usage: python predict.py ROWS [--out FILE] [--proba]. Needs numpy and onnxruntime{more}.
"""

from __future__ import annotations
'''
FOOTER = """
if __name__ == "__main__":
    main(Path(__file__).parent, {read})
"""


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
        text = Path(str(importlib.import_module(module).__file__)).read_text()
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
        used = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        lines = text.splitlines()[first - 1 : node.end_lineno]
        for name in names:
            assert name not in self.parts, f"two modules define {name}"
            self.parts[name], self.uses[name] = "\n".join(lines), used


def predict_script(kind: str) -> str:
    """The text of a program that needs no automl, for rows of this kind.

    Every function in it is the very one that automl itself answers rows with.
    """
    read = READERS[kind]
    gathered = _Gathered()
    for module in (read.__module__, script.__name__):
        gathered.add(module)
    used = _reached({read.__name__, script.main.__name__}, gathered.uses)
    parts = dict.fromkeys(part for name, part in gathered.parts.items() if name in used)
    more = ", and Pillow" if kind == "image" else ""
    head = HEADER.format(more=more) + "\n" + _import_lines(used | {"Path"}, gathered.imports)
    return "\n\n\n".join([head, *parts]) + "\n\n" + FOOTER.format(read=read.__name__)


def _defined(node: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [n.id for t in targets if t for n in ast.walk(t) if isinstance(n, ast.Name)]


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
