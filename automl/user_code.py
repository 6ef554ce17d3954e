"""Code that a user writes, in a space file or a module: the text that stored results depend on."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import json
import sys
import sysconfig
from collections.abc import Container
from pathlib import Path

OURS = "automl"
STANDARD_LIBRARY = sysconfig.get_path("stdlib")
FOR_PACKAGES = {"site-packages", "dist-packages"}
"""Names of folders into which packages are installed."""
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

    What that module itself imports is not part of it, but of `of_imports`.
    """
    if is_ours(module):
        return ""
    try:
        return fingerprint(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError):
        return ""


@functools.cache
def of_imports(text: str, modules: tuple[str, ...] = ()) -> str:
    """The hash of a user's modules that a text and some modules import, and these in turn; "" of
    none. Neither the modules given nor installed packages count.

    All import statements count, whether they have run or not, and nothing is imported: so every
    process finds the same. As a process goes on running what it has loaded, files count as they
    were when it first looked; edits and reloads after that are for the next process.
    """
    found, seen, ahead = dict[str, str](), {""}, [*imported(text), *modules]
    while ahead:
        name = ahead.pop()
        if name in seen:
            continue
        seen.add(name)
        code, imports = _of_place(name)
        if code and name not in modules:
            found[name] = code
        # A module's package runs before it.
        ahead += [*imports, _parent(name)]
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest() if found else ""


def defines_below(text: str, bases: Container[str]) -> bool:
    """True of a text that defines a class right below a class of one of these names."""
    classes = (node for node in _parsed(text).body if isinstance(node, ast.ClassDef))
    return any(_last_name(base) in bases for node in classes for base in node.bases)


def imported(text: str) -> list[str]:
    """The modules, and what may be modules, that a text imports by their full names."""
    return _imported(_parsed(text))


def _imported(tree: ast.Module, package: str = "") -> list[str]:
    """The same of a module of a package, whose relative imports count, too."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (source := _source(node, package)):
            found += [source, *(f"{source}.{alias.name}" for alias in node.names)]
    return list(dict.fromkeys(found))


def _source(node: ast.ImportFrom, package: str) -> str:
    """The full name of what is imported from; "" where there can be no such module."""
    try:
        return importlib.util.resolve_name("." * node.level + (node.module or ""), package)
    except ImportError:
        return ""


def _of_place(name: str) -> tuple[str, tuple[str, ...]]:
    """The code of a user's module and the names that it imports, found without importing it."""
    file, _ = _place(name)
    if file is None:
        return "", ()
    return _read(file, name if file.stem == "__init__" else _parent(name))


@functools.cache
def _read(file: Path, package: str) -> tuple[str, tuple[str, ...]]:
    """The code of a file and the names that it imports; none of a file that Python cannot read."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return "", ()
    return ast.unparse(tree), tuple(_imported(tree, package))


def _place(name: str) -> tuple[Path | None, list[Path]]:
    """The file of a user's module, where it has one, and the folders with the modules below it."""
    package, _, own = name.rpartition(".")
    if not package:
        return _top_place(name)
    inner = [folder / own for folder in _place(package)[1]]
    for folder in inner:
        if (file := folder / "__init__.py").is_file():
            return file, [folder]
        if (file := folder.with_name(f"{own}.py")).is_file():
            return file, []
    return None, [folder for folder in inner if folder.is_dir()]


def _top_place(name: str) -> tuple[Path | None, list[Path]]:
    """The file and the folders of a module that is in no package, as in `_place`."""
    try:
        spec = None if is_ours(name) else importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return None, []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    file = Path(spec.origin) if spec.has_location and spec.origin else None
    if file is not None and not _is_users(folders[0] if folders else file):
        return None, []
    return file, [folder for folder in folders if _is_users(folder)]


def _is_users(place: Path) -> bool:
    """True of a file or a folder that is not of the standard library or an installed package."""
    is_installed = FOR_PACKAGES & {*place.parts} or place.name in _installed(place.parent)
    return not (is_installed or place.is_relative_to(STANDARD_LIBRARY))


@functools.cache
def _installed(folder: Path) -> set[str]:
    """The names of what pip has put into a folder, such as one of `pip install --target`."""
    records = [file.read_text("utf-8") for file in folder.glob("*.dist-info/RECORD")]
    lines = "\n".join(records).splitlines()
    return {line.partition(",")[0].partition("/")[0] for line in lines}


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


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
