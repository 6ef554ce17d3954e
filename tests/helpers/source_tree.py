"""The tree of the sources, a phrase per file: `python tests/helpers/source_tree.py` renews it.

A file's phrase is the first sentence of its docstring; docs/architecture.md holds the tree.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "```text\n", "```\n"
WIDTH = 34


def phrase(path):
    """The first line of a module's docstring, without its full stop."""
    lines = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines() or [""]
    return lines[0].removesuffix(".")


def tree(folder, depth=0):
    """Lines of a folder: what it is, then its packages, then its files, each with its phrase."""
    yield _line(depth, f"{folder.name}/", phrase(folder / "__init__.py"))
    for package in sorted(path for path in folder.iterdir() if (path / "__init__.py").exists()):
        yield from tree(package, depth + 1)
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            yield _line(depth + 1, path.name, phrase(path))


def _line(depth, name, text):
    return f"{'  ' * depth + name:<{WIDTH}} {text}".rstrip()


def page():
    """The page with the tree as it is now."""
    before, rest = PAGE.read_text().split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    return f"{before}{BEGIN}" + "\n".join(tree(ROOT / "automl")) + f"\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page())
