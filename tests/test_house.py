"""The house explains itself: private names are fenced, docstrings open plainly, types say much."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "automl").rglob("*.py"))
RIDDLES = {"What", "How", "Whether", "Where", "Who", "Which", "As", "Of", "Those", "It", "One"}
"""A docstring opens with a verb or a noun, and names its subject."""
FENCE = "_patches.py"
"""Files of this ending may use private names, each of the library in its name."""
PUBLIC = {"os._exit"}
"""Names that Python's own documentation has, in spite of the underscore."""
MOST_ANY, MOST_DICTS = 60, 10
LONGEST_FILE, LONGEST_FUNCTION = 300, 40
"""In lines; of a function all but its docstring."""
MOST_PARAMETERS = 6
OPTIONS_OF_USERS = {"Search.export", "Search.explain", "front"}
"""Functions whose keywords are options of a command: users give few of these, by name."""


@cache
def nodes(path):
    return list(ast.walk(ast.parse(path.read_text())))


def where(path, node):
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def private_names(path):
    """Names with one leading underscore that are not the file's own."""
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if owner not in ("self", "cls") and ast.unparse(node) not in PUBLIC:
                yield f"{where(path, node)} {ast.unparse(node)}"
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = [*node.module.split("."), *(alias.name for alias in node.names)]
            yield from (f"{where(path, node)} {part}" for part in parts if _is_private(part))


def _is_private(name):
    return name.startswith("_") and not name.startswith("__")


def riddles(path):
    """Docstrings that open with a word which names no subject."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in nodes(path):
        text = (ast.get_docstring(node) or "") if isinstance(node, kinds) else ""
        if text and text.split()[0].strip(",:;.") in RIDDLES:
            yield f"{where(path, node)} {text.splitlines()[0]}"


def long_files(path):
    """Files that nobody reads at one go."""
    num_lines = len(path.read_text().splitlines())
    if num_lines > LONGEST_FILE:
        yield f"{path.relative_to(ROOT)}: {num_lines} lines"


def long_functions(path):
    """Functions that nobody sees whole."""
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = _num_lines(node.body[0]) if ast.get_docstring(node) else 0
            num_lines = _num_lines(node) - docstring
            if num_lines > LONGEST_FUNCTION:
                yield f"{where(path, node)} {node.name}: {num_lines} lines"


def long_signatures(path):
    """Functions of more parameters than a reader keeps in mind; `self` is not one."""
    owners = {
        id(child): f"{node.name}."
        for node in nodes(path)
        if isinstance(node, ast.ClassDef)
        for child in node.body
    }
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found, name = node.args, owners.get(id(node), "") + node.name
            parameters = [*found.posonlyargs, *found.args, *found.kwonlyargs]
            count = sum(each.arg not in ("self", "cls") for each in parameters)
            if count > MOST_PARAMETERS and name not in OPTIONS_OF_USERS:
                yield f"{where(path, node)} {name}: {count} parameters"


def _num_lines(node):
    return node.end_lineno - node.lineno + 1


@pytest.mark.parametrize(
    ("look", "planted"),
    [
        (private_names, "import torch\ntorch._C"),
        (riddles, '"""What it is."""'),
        (long_functions, "def long():\n" + "    long()\n" * LONGEST_FUNCTION),
        (long_files, "1\n" * (LONGEST_FILE + 1)),
        (long_signatures, "def wide(a, b, c, d, e, *, f, g): ..."),
    ],
)
def test_nothing_is_hidden_or_endless(look, planted, tmp_path, monkeypatch):
    found = [hit for path in SOURCES if not path.name.endswith(FENCE) for hit in look(path)]
    assert found == []
    monkeypatch.setattr("test_house.ROOT", tmp_path)
    (tmp_path / "planted.py").write_text(planted)
    assert len(list(look(tmp_path / "planted.py"))) == 1


def test_types_say_what_they_hold():
    texts = [ast.unparse(node) for path in SOURCES for node in nodes(path) if _is_type(node)]
    assert texts.count("Any") <= MOST_ANY
    assert texts.count("dict[str, Any]") <= MOST_DICTS


def _is_type(node):
    return isinstance(node, ast.Name | ast.Subscript)


def test_each_file_of_tests_has_a_name_of_its_own():
    """Pytest imports them by that name alone."""
    names = sorted(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, following in zip(names, names[1:]) if name == following] == []
