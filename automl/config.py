"""Frozen configuration classes, registered by class name, with an exact JSON round trip."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from automl.errors import UserError, words

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

SPACE_MODULE_PREFIX = "automl_space_"
FOLDERS_OF_CHOICES = (
    "automl.data",
    "automl.models",
    "automl.training",
    "automl.compression",
    "automl.space",
)
MODULES_OF_CHOICES = ("automl.runtimes.onnx", "automl.runtimes.own_formats")
"""Modules that register classes, in folders of which others need optional packages."""
K = TypeVar("K", bound="Config")


class Config:
    """Base of every frozen dataclass that a space may hold.

    Subclassing registers the class under its name. A user's class may replace another
    user's of that name (a space file is edited and loaded again), never one of ours.
    """

    registered: ClassVar[dict[str, type[Config]]] = {}
    paths: ClassVar[tuple[str, ...]] = ()
    """The fields that are paths of files or folders; an empty one is none."""
    later_fields: ClassVar[Mapping[str, object]] = {}
    """The fields that the class, or one below it, did not always have, each with the value that
    says what was so before. With that value a field is left out of JSON, so that store keys stay
    what they were."""

    def fingerprint(self) -> str:
        """A text that changes whenever what the config stands for does."""
        return canonical(self)

    def from_space_file(self) -> bool:
        """True of a config whose class a space file defines."""
        return type(self).__module__.startswith(SPACE_MODULE_PREFIX)

    def check_ranges(self) -> None:
        """Raise UserError on values that cannot work together.

        Each value alone is held against its annotation (`config_checks.check`).
        """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        """Have pydantic ask for an instance, and look no further into it."""
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(cls)

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
    """True of a class that is a dataclass itself, or adds no field to one."""
    is_own = "__dataclass_fields__" in vars(cls)
    return is_own or (is_dataclass(cls) and not adds_fields(cls))


def adds_fields(cls: type[Config]) -> bool:
    """True of a class that annotates fields of its own."""
    return any("ClassVar" not in str(hint) for hint in inspect.get_annotations(cls).values())


def snake_case(name: str) -> str:
    """A class name in snake case, e.g. `macro_f1` for `MacroF1`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def choices(kind: type[K]) -> dict[str, type[K]]:
    """Every registered class below a kind, by name."""
    found: dict[str, type[K]] = {}
    for name, cls in Config.registered.items():
        if issubclass(cls, kind) and cls is not kind and is_dataclass(cls):
            found[name] = cls
    return found


def kind(value: Config) -> type[Config]:
    """The class right below Config that a config is of, e.g. Schedule."""
    lineage = [cls for cls in type(value).__mro__ if issubclass(cls, Config)]
    return lineage[-2]


_FIELD_NAMES: WeakKeyDictionary[type[Config], tuple[str, ...]] = WeakKeyDictionary()


def field_names(value: Config) -> tuple[str, ...]:
    """The names of the fields that a config is made with; a search asks for those of hundreds
    for each trial."""
    names = _FIELD_NAMES.get(type(value))
    if names is None:
        names = tuple(f.name for f in fields(value) if f.init)  # type: ignore[arg-type]
        _FIELD_NAMES[type(value)] = names
    return names


def parts(value: Any) -> list[Config]:
    """Every config in a value, the outer ones first."""
    found: list[Config] = []
    ahead = [value]
    while ahead:
        part = ahead.pop()
        if isinstance(part, Config):
            found.append(part)
            ahead += [getattr(part, name) for name in reversed(field_names(part))]
        elif isinstance(part, dict):
            ahead += reversed(part.values())
        elif isinstance(part, tuple):
            ahead += reversed(part)
    return found


_DECORATED: WeakSet[type[Config]] = WeakSet()


def locate(value: K, folders: Sequence[Path]) -> K:
    """A config with its relative paths, and those of configs in it, put below a folder.

    That is the first folder that holds the path; where none does, the first of all.
    """
    found: dict[str, Any] = {}
    for name in field_names(value) if folders else ():
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
    return changed(value, **found) if found else value


def exchanged(value: K, old: Config, new: Config) -> K:
    """A config in which another stands wherever an equal of `old` did."""

    def other(own: Any) -> Any:
        if own == old:
            return new
        if isinstance(own, tuple):
            return tuple(map(other, own))
        return exchanged(own, old, new) if isinstance(own, Config) else own

    named = {name: other(getattr(value, name)) for name in field_names(value)}
    return replace(value, **named)  # type: ignore[type-var]


def changed(value: K, /, **changes: object) -> K:
    """A config with some fields changed. Raises UserError where its class raises anything."""
    try:
        return replace(value, **changes)  # type: ignore[type-var]
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{type(value).__name__} cannot be made: {words(error)}") from error


def encode(value: Any) -> Any:
    """A config as plain JSON data; classes become their names under `type`.

    A dict with a key of that name is {"type": "dict", "items": {...}}.
    """
    if isinstance(value, Config):
        data: dict[str, object] = {"type": type(value).__name__}
        later = value.later_fields
        for name in field_names(value):
            own = getattr(value, name)
            if name not in later or own != later[name]:
                data[name] = encode(own)
        return data
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        items = {key: encode(item) for key, item in value.items()}
        return {"type": "dict", "items": items} if "type" in items else items
    return value


def decode(data: Any, is_written_by_hand: bool = False) -> Any:
    """The inverse of `encode`; every list is a tuple. Raises UserError on what is no config.

    A later field that is missing has the value that says what was so before; in what a person has
    written, its default.
    """
    inner = partial(decode, is_written_by_hand=is_written_by_hand)
    match data:
        case {"type": "dict", "items": dict(items)}:
            return {key: inner(item) for key, item in items.items()}
    if isinstance(data, dict) and "type" in data:
        cls = choice(data["type"]) if isinstance(data["type"], str) else None
        if cls is None:
            raise UserError(f"no class named {data['type']!r} is registered")
        try:
            said = {key: inner(item) for key, item in data.items() if key != "type"}
            return cls(**said) if is_written_by_hand else cls(**{**_before(cls), **said})
        except TypeError as error:
            raise UserError(f"{data['type']}: {error}") from None
    if isinstance(data, dict):
        return {key: inner(item) for key, item in data.items()}
    if isinstance(data, list):
        return tuple(inner(item) for item in data)
    return data


def _before(cls: type[Config]) -> dict[str, object]:
    """The values of a class's later fields that say what was so before."""
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    return {name: value for name, value in cls.later_fields.items() if name in known}


def choice(name: str) -> type[Config] | None:
    """The registered class of a name; ours are imported where nothing has done so yet."""
    if name not in Config.registered:
        import_choices()
    cls = Config.registered.get(name)
    return cls if is_dataclass(cls) else None


def import_choices() -> None:
    """Import all modules of ours that register classes."""
    for folder in FOLDERS_OF_CHOICES:
        package = importlib.import_module(folder)
        for module in pkgutil.iter_modules(package.__path__, f"{folder}."):
            importlib.import_module(module.name)
    for name in MODULES_OF_CHOICES:
        importlib.import_module(name)


def canonical(value: Any) -> str:
    """The one JSON text of a config: sorted keys, no spaces."""
    return json.dumps(encode(value), sort_keys=True, separators=(",", ":"))
