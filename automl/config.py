"""Frozen configuration classes, registered by class name, with an exact JSON round trip."""

from __future__ import annotations

import importlib
import inspect
import json
import math
import pkgutil
import re
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)
from weakref import WeakKeyDictionary, WeakSet

from automl.errors import UserError

SPACE_MODULE_PREFIX = "automl_space_"
FOLDERS_OF_CHOICES = (
    "automl.data",
    "automl.models",
    "automl.training",
    "automl.compression",
    "automl.space",
)
WORDS = {int: "an integer", float: "a number", str: "a text", bool: "True or False"}
K = TypeVar("K", bound="Config")


@dataclass(frozen=True)
class Range:
    """What a number must be, in words and as a test; it stands in a field's annotation."""

    words: str
    holds: Callable[[float], bool]


Count = Annotated[int, Range("at least 1", lambda number: number >= 1)]
Whole = Annotated[int, Range("at least 0", lambda number: number >= 0)]
Positive = Annotated[float, Range("above 0", lambda number: 0 < number < math.inf)]
NotNegative = Annotated[float, Range("at least 0", lambda number: 0 <= number < math.inf)]
From0To1 = Annotated[float, Range("from 0 to 1", lambda number: 0 <= number <= 1)]
Above0To1 = Annotated[float, Range("above 0 and at most 1", lambda number: 0 < number <= 1)]
From0Below1 = Annotated[float, Range("at least 0 and below 1", lambda number: 0 <= number < 1)]
Between0And1 = Annotated[float, Range("above 0 and below 1", lambda number: 0 < number < 1)]


class Config:
    """Base of every frozen dataclass that a space may hold.

    Subclassing registers the class under its name. A user's class may replace another
    user's of that name (a space file is edited and loaded again), never one of ours.
    """

    registered: ClassVar[dict[str, type[Config]]] = {}
    paths: ClassVar[tuple[str, ...]] = ()
    """The fields that are paths of files or folders; an empty one is none."""

    def fingerprint(self) -> str:
        """A text that changes whenever what the config stands for does."""
        return canonical(self)

    def from_space_file(self) -> bool:
        """Whether what this config does stands in a space file."""
        return type(self).__module__.startswith(SPACE_MODULE_PREFIX)

    def check_ranges(self) -> None:
        """Raise UserError on a value that cannot work; no field is a domain any more.

        Numbers are held against the ranges in their annotations.
        """
        hints = _hints(type(self))
        for f in fields(self):  # type: ignore[arg-type]
            for rule, number in _ranged(hints.get(f.name), getattr(self, f.name)):
                if not rule.holds(number):
                    raise UserError(f"{self}: {f.name} must be {rule.words}, not {number}")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known = Config.registered.get(cls.__name__)
        if known is not None and known.__module__.startswith("automl."):
            raise UserError(
                f"class {cls.__name__} in {cls.__module__} takes the name of "
                f"{known.__module__}.{known.__name__}; give it another name"
            )
        Config.registered[cls.__name__] = cls

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls not in _DECORATED:
            if not _is_decorated(cls):
                raise UserError(
                    f"class {cls.__name__} lacks its decorator; "
                    "write @dataclass(frozen=True) above it"
                )
            _DECORATED.add(cls)
        return super().__new__(cls)


def _is_decorated(cls: type[Config]) -> bool:
    """Whether a class is a dataclass itself, or adds no field to one."""
    is_own = "__dataclass_fields__" in vars(cls)
    return is_own or (is_dataclass(cls) and not adds_fields(cls))


def adds_fields(cls: type[Config]) -> bool:
    """Whether a class annotates fields, beside those of the classes above it."""
    return any("ClassVar" not in str(hint) for hint in inspect.get_annotations(cls).values())


def snake_case(name: str) -> str:
    """A class name in snake case, e.g. `macro_f1` for `MacroF1`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def choices(kind: type[K]) -> dict[str, type[K]]:
    """Every registered class of a kind, by name; the kind itself is none."""
    found: dict[str, type[K]] = {}
    for name, cls in Config.registered.items():
        if issubclass(cls, kind) and cls is not kind and is_dataclass(cls):
            found[name] = cls
    return found


def kind(value: Config) -> type[Config]:
    """The class right below Config that a config is of, e.g. Schedule."""
    lineage = [cls for cls in type(value).__mro__ if issubclass(cls, Config)]
    return lineage[-2]


def parts(value: Any) -> Iterator[Config]:
    """Every config in a value, the outer ones first."""
    if isinstance(value, Config):
        yield value
        value = tuple(getattr(value, f.name) for f in fields(value))  # type: ignore[arg-type]
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        for item in value:
            yield from parts(item)


def check_types(value: Config) -> None:
    """Raise UserError when a field, of the config or of one in it, is not as it is annotated."""
    for part in parts(value):
        hints = _hints(type(part))
        for f in fields(part):  # type: ignore[arg-type]
            own, hint = getattr(part, f.name), hints.get(f.name, Any)
            where = f"{type(part).__name__}.{f.name}"
            if not _fits(own, hint):
                raise UserError(f"{where} is {own!r}; it must be {_wanted(hint)}")
            if f.name in part.paths and own == "" and f.default is MISSING:
                raise UserError(f"{where} is empty; give a path")


def _hints(cls: type[Config]) -> dict[str, Any]:
    """The annotations of a class with their ranges, none where one cannot be resolved.

    A name that its module imports for type checkers alone is that of a registered class.
    """
    if cls not in _HINTS:
        for names in (None, Config.registered):
            try:
                _HINTS[cls] = get_type_hints(cls, localns=names, include_extras=True)
                break
            except Exception:
                continue
    return _HINTS.get(cls, {})


_DECORATED: WeakSet[type[Config]] = WeakSet()
_HINTS: WeakKeyDictionary[type[Config], dict[str, Any]] = WeakKeyDictionary()


def _ranged(hint: Any, value: Any) -> Iterator[tuple[Range, Any]]:
    """Each range in an annotation, with a number that it is for."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated and _fits(value, hint):
        yield from ((rule, value) for rule in args[1:] if isinstance(rule, Range))
    if origin is tuple and args[1:] == (...,) and isinstance(value, tuple):
        for item in value:
            yield from _ranged(args[0], item)
    if origin in (Union, types.UnionType):
        for arg in args:
            yield from _ranged(arg, value)


def _fits(value: Any, hint: Any) -> bool:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _fits(value, args[0])
    if origin in (Union, types.UnionType):
        return any(_fits(value, arg) for arg in args)
    if origin is Literal:
        return value in args
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        wanted = args[:1] * len(value) if args[1:] == (...,) else args
        return len(value) == len(wanted) and all(map(_fits, value, wanted))
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(key, args[0]) and _fits(item, args[1]) for key, item in value.items()
        )
    if hint in (int, float):
        return isinstance(value, int | hint) and not isinstance(value, bool)
    if hint in (str, bool, dict, tuple, types.NoneType):
        return isinstance(value, hint)
    if isinstance(hint, type) and issubclass(hint, Config):
        return isinstance(value, hint)
    return _is_plain(value)


def _is_plain(value: Any) -> bool:
    """Whether JSON can hold a value."""
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, str | int | float | Config)


def _wanted(hint: Any) -> str:
    """An annotation in words."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _wanted(args[0])
    if origin in (Union, types.UnionType):
        return " or ".join(map(_wanted, args))
    if origin is Literal:
        return " or ".join(map(repr, args))
    if origin is tuple and args[1:] == (...,):
        return f"a tuple, each item {_wanted(args[0])}"
    if origin is tuple:
        return f"a tuple of {', '.join(map(_wanted, args))}"
    if origin is dict:
        return f"a dict from {_wanted(args[0])} to {_wanted(args[1])}"
    if hint in WORDS:
        return WORDS[hint]
    if hint in (dict, tuple, types.NoneType):
        return {dict: "a dict", tuple: "a tuple"}.get(hint, "None")
    if isinstance(hint, type) and issubclass(hint, Config):
        name, known = hint.__name__, ", ".join(choices(hint))
        return ("an " if name[0] in "AEIOU" else "a ") + name + (f" ({known})" if known else "")
    return "what JSON can hold"


def locate(value: K, folders: Sequence[Path]) -> K:
    """A config whose relative paths, and those of configs in it, are found in the first folder
    that holds them.

    One that no folder holds is taken to be in the first.
    """
    found: dict[str, Any] = {}
    for name in [f.name for f in fields(value)] if folders else ():  # type: ignore[arg-type]
        own = new = getattr(value, name)
        if isinstance(own, Config):
            new = locate(own, folders)
        elif isinstance(own, tuple) and any(isinstance(item, Config) for item in own):
            new = tuple(locate(v, folders) if isinstance(v, Config) else v for v in own)
        elif name in value.paths and own:
            places = [folder / Path(own).expanduser() for folder in folders]
            new = str(next((place for place in places if place.exists()), places[0]))
        if new is not own:
            found[name] = new
    return replace(value, **found) if found else value  # type: ignore[type-var]


def encode(value: Any) -> Any:
    """A config as plain JSON data; classes become their names under `type`.

    A dict with a key of that name is {"type": "dict", "items": {...}}.
    """
    if isinstance(value, Config):
        own = {f.name: encode(getattr(value, f.name)) for f in fields(value)}  # type: ignore[arg-type]
        return {"type": type(value).__name__, **own}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        items = {key: encode(item) for key, item in value.items()}
        return {"type": "dict", "items": items} if "type" in items else items
    return value


def decode(data: Any) -> Any:
    """The inverse of `encode`; every list is a tuple. Raises UserError on what is no config."""
    match data:
        case {"type": "dict", "items": dict(items)}:
            return {key: decode(item) for key, item in items.items()}
    if isinstance(data, dict) and "type" in data:
        cls = choice(data["type"]) if isinstance(data["type"], str) else None
        if cls is None:
            raise UserError(f"no class named {data['type']!r} is registered")
        try:
            return cls(**{key: decode(item) for key, item in data.items() if key != "type"})
        except TypeError as error:
            raise UserError(f"{data['type']}: {error}") from None
    if isinstance(data, dict):
        return {key: decode(item) for key, item in data.items()}
    if isinstance(data, list):
        return tuple(decode(item) for item in data)
    return data


def choice(name: str) -> type[Config] | None:
    """The registered class of a name; ours are imported where nothing has done so yet."""
    if name not in Config.registered:
        import_choices()
    cls = Config.registered.get(name)
    return cls if is_dataclass(cls) else None


def import_choices() -> None:
    """Have all of ours registered."""
    for folder in FOLDERS_OF_CHOICES:
        package = importlib.import_module(folder)
        for module in pkgutil.iter_modules(package.__path__, f"{folder}."):
            importlib.import_module(module.name)


def canonical(value: Any) -> str:
    """The one JSON text of a config: sorted keys, no spaces."""
    return json.dumps(encode(value), sort_keys=True, separators=(",", ":"))
