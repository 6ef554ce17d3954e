"""A Space object as the text of a space file, which holds its exact JSON and runs anywhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from automl.config import SPACE_MODULE_PREFIX, decode, encode, parts
from automl.errors import UserError
from automl.models.imported import SPACE_FILE, Imported
from automl.quality import METRICS
from automl.space.space import Space

TEXT = '''"""A Space object, given to `automl.search` from Python."""

import json
{imports}
from automl.config import decode
{modules}
space = decode(
    json.loads(
        r"""
{written}
"""
    )
)
'''


def as_text(space: Space, figures: Iterable[str] = ()) -> str:
    """The text that builds the space again, and imports the user's own classes that it holds, and
    the metrics among further figures, such as those of a goal.

    Raises UserError on a class or a function that other processes cannot import, and on values
    that are no JSON.
    """
    named = [*_named(space), *_metrics(figures)]
    modules = sorted({module for name, module in named if _importable(name, module)})
    try:
        written = json.dumps(encode(space), indent=1, allow_nan=True)
    except TypeError as error:
        raise UserError(
            f"the Space holds a value that cannot be written as JSON ({error}); "
            'use plain numbers, texts and tuples, and "package.module:function" in a OneOf of '
            "functions"
        ) from None
    assert encode(decode(json.loads(written))) == json.loads(written)
    folders = sorted({_folder(module) for module in modules})
    return TEXT.format(
        imports="import sys\n" if modules else "",
        modules="".join(
            [
                *(f"\nsys.path.append({folder!r})" for folder in folders),
                *(f"\nimport {module}  # noqa: E402" for module in modules),
                "\n" * bool(modules),
            ]
        ),
        written=written,
    )


def _named(space: Space) -> Iterator[tuple[str, str]]:
    """The names of the classes and functions that a space stands on, and their modules."""
    for part in parts(space):
        yield type(part).__name__, type(part).__module__
        if isinstance(part, Imported):
            for factory in getattr(part.factory, "options", (part.factory,)):
                yield _where(factory)
    yield from _metrics(space.objectives)
    yield from _metrics(condition.figure for condition in space.conditions)


def _metrics(figures: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The names of the classes of the metrics among some figures, and their modules."""
    for metric in (METRICS[name] for name in figures if name in METRICS):
        yield type(metric).__name__, type(metric).__module__


def _where(factory: object) -> tuple[str, str]:
    """The name of a factory, as Imported takes them, and its module."""
    if not isinstance(factory, str):
        return getattr(factory, "__qualname__", ""), getattr(factory, "__module__", "")
    module, _, name = factory.partition(":")
    return name, SPACE_MODULE_PREFIX if module.startswith(SPACE_FILE) else module


def _importable(name: str, module: str) -> bool:
    """True of a module of the user's. Raises UserError where no other process can import it."""
    if module.partition(".")[0] == "automl":
        return False
    found = sys.modules.get(module)
    if module == "__main__" or module.startswith(SPACE_MODULE_PREFIX):
        raise UserError(
            f"{name} is defined in this notebook or script, where other processes cannot import "
            f"it; move it to a file beside, e.g. own.py, and write: from own import {name}"
        )
    return found is not None and getattr(found, "__file__", None) is not None


def _folder(module: str) -> str:
    """The folder in which Python looks for a module."""
    file = Path(str(sys.modules[module].__file__)).absolute()
    package = file.parent if file.stem == "__init__" else file
    return str(package.parents[module.count(".")])
