"""Space files: found by path or shipped name, loaded from their text in any process."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import sys
import tempfile
import tokenize
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TypeVar

from automl import user_code
from automl.config import SPACE_MODULE_PREFIX, Config
from automl.errors import UserError, unknown
from automl.quality import METRICS
from automl.space.space import Space

T = TypeVar("T")


def find(name: str) -> Path:
    """The file of a space, given its path or the name of a shipped space.

    Raises UserError where there is none.
    """
    if name in shipped():
        return shipped()[name]
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix == ".py" or "/" in name:
        raise UserError(f"there is no space file {name}; check the path")
    raise UserError(unknown("space or file", name, sorted(shipped())))


def shipped() -> dict[str, Path]:
    """The files of the shipped spaces, by name."""
    return {p.stem: p for p in sorted(_shipped_folder().glob("*.py")) if p.stem != "__init__"}


def read(path: Path) -> str:
    """The text of a space file, with the file's path for `__file__`, as it is run elsewhere.

    Raises UserError on a file that cannot be read as text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a space file that can be read: {error}") from None
    return _with_path(text, path) if "__file__" in text else text


def _with_path(text: str, path: Path) -> str:
    lines = io.StringIO(text).readlines()
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return text
    for token in reversed(tokens):
        if token.type == tokenize.NAME and token.string == "__file__":
            (row, start), (_, end) = token.start, token.end
            line = lines[row - 1]
            lines[row - 1] = f"{line[:start]}{str(path.absolute())!r}{line[end:]}"
    return "".join(lines)


def load(
    text: str,
    fixed: dict[str, str] | None = None,
    name: str = "the space file",
    folder: str = "",
) -> Space:
    """Run a space file's text as a module (once per process) and take the Space that it builds.

    Its classes are those of their names from then on, whatever other spaces have called so.
    Relative paths are looked for in `folder`, else beside the shipped spaces. Raises UserError,
    with the line, on a text that does not run or builds no single Space.
    """
    text = text.removeprefix(user_code.BYTE_ORDER_MARK)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    module_name = f"{SPACE_MODULE_PREFIX}{digest}"
    if module_name not in sys.modules:
        _execute(text, module_name, name)
    values = vars(sys.modules[module_name]).values()
    for value in values:
        is_config = isinstance(value, type) and issubclass(value, Config)
        if is_config and not user_code.is_ours(value.__module__):
            # As when it was defined: it is found by its name.
            super(value, value).__init_subclass__()
    spaces = {id(value): value for value in values if isinstance(value, Space)}
    if len(spaces) != 1:
        raise UserError(
            f"{name} builds {len(spaces)} Space objects at its top level; "
            "it must hold exactly one, e.g. space = Space(TrialConfig(...))"
        )
    (space,) = spaces.values()
    folders = (folder or os.getcwd(), str(_shipped_folder()))
    return replace(space, fixed={**space.fixed, **(fixed or {})}, folders=folders)


@contextmanager
def apart() -> Iterator[None]:
    """Load the spaces of other searches meanwhile: at the end each name stands again for the
    metric and the class that it stood for, and those of space files that are new are gone."""
    metrics, classes = dict(METRICS), dict(Config.registered)
    try:
        yield
    finally:
        _put_back(METRICS, metrics)
        _put_back(Config.registered, classes)


def _put_back(known: dict[str, T], before: dict[str, T]) -> None:
    for name, value in list(known.items()):
        cls = value if isinstance(value, type) else type(value)
        if name in before:
            known[name] = before[name]
        elif cls.__module__.startswith(SPACE_MODULE_PREFIX):
            del known[name]


def _shipped_folder() -> Path:
    return Path(str(resources.files("automl.search_spaces")))


def _execute(text: str, module_name: str, name: str) -> None:
    path = _folder() / f"{module_name}.py"
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[module_name]
        if isinstance(error, Exception):
            raise UserError(f"{name}{_line(error, path)}: {_describe(error)}") from error
        raise


def _line(error: Exception, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _describe(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"{error}; install it wherever trials run, or have PYTHONPATH name its folder there"
    return f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"


def _folder() -> Path:
    """This user's own folder for the files that spaces are run from."""
    folder = Path(tempfile.gettempdir()) / f"automl-spaces-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise UserError(f"{folder} is not yours alone; remove it, or set $TMPDIR to another place")
    return folder
