"""Search spaces: a trial config whose leaves may be domains, and how one is sampled."""

from __future__ import annotations

import difflib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl import pareto
from automl.config import (
    Config,
    UserError,
    check_types,
    choice,
    decode,
    encode,
    kind,
    locate,
    parts,
)
from automl.recipe import Step, check_labels

if TYPE_CHECKING:
    from automl.data.dataset import Dataset
    from automl.models.family import Model

Suggest = Callable[[str, "Domain"], Any]
MAX_SEED = 2**32 - 1
WHOLE = "config"


class Domain(Config):
    """What a leaf may be; `likely` is the value that the space's author would bet on, if any."""

    likely: Any = None

    def allows(self, value: Any) -> bool:
        """Whether a suggestion may be this value."""
        raise NotImplementedError

    def check_likely(self, text: str) -> None:
        if self.likely is not None and not self.allows(self.likely):
            raise UserError(
                f"{text}: likely is {self.likely!r}, which it cannot be; give one of its values"
            )


@dataclass(frozen=True)
class IntDomain(Domain):
    low: int
    high: int
    step: int = 1
    likely: int | None = None

    def __post_init__(self) -> None:
        _check_order("Int", self.low, self.high)
        self.check_likely(f"Int({self.low}, {self.high}, step={self.step})")

    def allows(self, value: Any) -> bool:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high and (value - self.low) % self.step == 0


@dataclass(frozen=True)
class FloatDomain(Domain):
    low: float
    high: float
    log: bool = False
    likely: float | None = None

    def __post_init__(self) -> None:
        _check_order("Float", self.low, self.high)
        if self.log and self.low <= 0:
            raise UserError(f"Float({self.low}, {self.high}, log=True): low must be above zero")
        self.check_likely(f"Float({self.low}, {self.high})")

    def allows(self, value: Any) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high


@dataclass(frozen=True)
class OneOfDomain(Domain):
    options: tuple[Any, ...]
    label: str = ""
    likely: str | None = None

    def __post_init__(self) -> None:
        names = self.names()
        if not names:
            raise UserError("OneOf() has no options; give it at least one")
        if twice := {name for name in names if names.count(name) > 1}:
            raise UserError(
                f"OneOf has two options named {twice.pop()!r}; "
                "merge them into one whose differing field is a domain"
            )
        if self.likely is not None and not self.allows(self.likely):
            raise UserError(unknown("likely option", str(self.likely), names))

    def allows(self, value: Any) -> bool:
        return value in self.names()

    def names(self) -> list[str]:
        return self._names

    @cached_property
    def _names(self) -> list[str]:
        return [option_name(option) for option in self.options]

    def option(self, name: str) -> Any:
        return self.options[self.names().index(name)]

    def name_of(self, option: Any) -> Any:
        """The name of an option that is told by itself or by its name."""
        name = option_name(option)
        return name if name in self.names() else option


@dataclass(frozen=True)
class RepeatDomain(Domain):
    item: Any
    length: Any


def Int(low: int, high: int, *, step: int = 1, likely: int | None = None) -> Any:
    """An integer from low to high, both included; `high` is lowered to a whole step."""
    return IntDomain(low, high - (high - low) % step if high >= low else high, step, likely)


def Float(low: float, high: float, *, log: bool = False, likely: float | None = None) -> Any:
    """A number from low to high, uniform or (`log`) uniform in its logarithm."""
    return FloatDomain(low, high, log, likely)


def OneOf(*options: Any, label: str = "", likely: Any = None) -> Any:
    """One of several values or configs, each with its own domains inside.

    In a recipe an option may be None (no step) or a tuple of steps (so that orders can be
    searched); the choice is named by `label`, else by the labels of its steps.
    `likely` is an option or its name, e.g. 8, "AdamW" or "None".
    """
    domain = OneOfDomain(options, label)
    return domain if likely is None else replace(domain, likely=domain.name_of(likely))


def Repeat(item: Any, length: Any) -> Any:
    """A tuple of `length` copies of `item`, each sampled by itself: width per layer, and depth."""
    return RepeatDomain(item, length)


@dataclass(frozen=True)
class TrialConfig(Config):
    """One trial: what is learned from, what learns, and what is done to it, in order."""

    dataset: Dataset
    model: Model
    recipe: tuple[Step, ...]
    seed: int = 0

    def check_ranges(self) -> None:
        if not 0 <= self.seed <= MAX_SEED:
            raise UserError(f"the seed is {self.seed}; give one from 0 to {MAX_SEED}")


@dataclass(frozen=True)
class Space(Config):
    """A trial config with domains, and what is wanted of it.

    `objectives` are names of `pareto.DIRECTIONS`; `constraints` read like
    "size_bytes<=40000"; `fixed` maps paths to values that replace what stands there (`--set`);
    relative paths of data and weights are looked for in `folders`, one after the other.
    """

    trial: TrialConfig
    objectives: tuple[str, ...] = ("accuracy", "size_bytes", "latency_ms")
    constraints: tuple[str, ...] = ()
    fixed: dict[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trace:
    """A walk through a space: the config that it made, and what it asked on the way.

    `tail` are the paths asked from the first item of the recipe on that may compress: what can
    change while the training before it stays as it is.
    """

    config: TrialConfig
    params: dict[str, Any]
    domains: dict[str, Domain]
    tail: frozenset[str]


def trace(space: Space, suggest: Suggest) -> Trace:
    """A plain config, each domain on the way asked of `suggest(path, domain)`."""
    draw = _Draw(suggest, space)
    config = locate(draw.trial(space.trial), draw.folders)
    return Trace(config, draw.params, draw.domains, frozenset(draw.tail))


def sample(space: Space, suggest: Suggest) -> TrialConfig:
    return trace(space, suggest).config


def rebuild(space: Space, params: dict[str, Any]) -> TrialConfig:
    """The config of a flat dict, or of one that holds it whole as JSON, under WHOLE."""
    if WHOLE in params:
        config: TrialConfig = decode(json.loads(params[WHOLE]))
        return config
    return sample(space, replay(params))


def _may_compress(item: Any) -> bool:
    if isinstance(item, OneOfDomain):
        item = item.options
    if isinstance(item, tuple | list):
        return any(map(_may_compress, item))
    return isinstance(item, Step) and item.compresses


def replay(params: dict[str, Any]) -> Suggest:
    """Suggests what a flat dict says: the way a config crosses processes."""
    return lambda path, domain: params[path]


def uniform(rng: random.Random) -> Suggest:
    """Suggests at random."""
    return lambda path, domain: at(domain, rng.random())


def at(domain: Domain, place: float) -> Any:
    """The value at a place in [0, 1) of a domain."""
    match domain:
        case IntDomain(low, high, step):
            return low + step * int(place * ((high - low) // step + 1))
        case FloatDomain(low, high, log):
            return low * (high / low) ** place if log else low + place * (high - low)
        case OneOfDomain():
            return domain.names()[int(place * len(domain.options))]
    raise AssertionError(domain)


@dataclass(frozen=True)
class Explored:
    """Configs that together meet every option of a space, and all that was met."""

    configs: tuple[TrialConfig, ...]
    domains: dict[str, Domain]
    paths: frozenset[str]


def explore(space: Space, *, lowest: bool = False) -> Explored:
    """Sample every option of every OneOf at least once, numbers at their highest (or lowest).

    Raises UserError when two branches give one path different domains.
    """
    domains: dict[str, Domain] = {}
    configs: list[TrialConfig] = []
    paths: set[str] = set()
    queued: set[tuple[str, str]] = set()
    waiting: list[dict[str, str]] = [{}]
    while waiting:
        forced = waiting.pop(0)
        chosen: dict[str, str] = {}

        def suggest(path: str, domain: Domain) -> Any:
            if domains.setdefault(path, domain) != domain:
                raise UserError(
                    f"{path} has two different domains in two branches of the space; "
                    "give one of the two steps its own label"
                )
            if not isinstance(domain, OneOfDomain):
                assert isinstance(domain, IntDomain | FloatDomain)
                return domain.low if lowest else domain.high
            choice = forced.get(path, domain.names()[0])  # noqa: B023
            for name in domain.names():
                if (path, name) not in queued:
                    queued.add((path, name))
                    if name != choice:
                        waiting.append({**chosen, path: name})  # noqa: B023
            chosen[path] = choice  # noqa: B023
            return choice

        draw = _Draw(suggest, space)
        config = draw.trial(space.trial)
        check_types(config)
        configs.append(locate(config, draw.folders))
        paths |= draw.paths
    return Explored(tuple(configs), domains, frozenset(paths))


def validate(space: Space) -> Explored:
    """Walk the whole space. Raises UserError on what cannot be right in it."""
    if not space.objectives:
        raise UserError("the space has no objectives; give it at least one")
    if len(set(space.objectives)) < len(space.objectives):
        raise UserError(f"an objective is named twice: {', '.join(space.objectives)}")
    for name in space.objectives:
        if name not in pareto.DIRECTIONS:
            raise UserError(unknown("objective", name, list(pareto.DIRECTIONS)))
    for constraint in space.constraints:
        pareto.parse_where(constraint)
    explored = explore(space)
    for path in space.fixed:
        if path not in explored.paths:
            raise UserError(unknown("--set path", path, sorted(explored.paths)))
    for config in (*explored.configs, *explore(space, lowest=True).configs):
        check(config)
    return explored


def check(config: TrialConfig) -> None:
    """Raise UserError on a number out of its range, or a step that cannot stand where it does."""
    for part in parts(config):
        part.check_ranges()
    for position, step in enumerate(config.recipe):
        step.check(config.recipe[:position])


def unknown(what: str, name: str, known: list[str]) -> str:
    """The sentence for a name that is not known, with the nearest that is."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return f"unknown {what} {name!r}; {hint}"


def option_name(option: Any) -> str:
    """A config's class name, a tuple of steps' labels joined by -, else the JSON text."""
    if isinstance(option, Config):
        return type(option).__name__
    if isinstance(option, tuple) and any(isinstance(o, Step | OneOfDomain) for o in option):
        return step_name(option)
    return "None" if option is None else json.dumps(encode(option))


def step_name(item: Any) -> str:
    """What a recipe's item is called in paths: its label, or its options' labels."""
    if isinstance(item, Step):
        return item.label
    if isinstance(item, tuple):
        return "-".join(step_name(part) for part in item)
    if not isinstance(item, OneOfDomain):
        raise UserError(f"the recipe holds {item!r}, which is no step; give a step, e.g. Train()")
    names = [step_name(option) for option in item.options if option is not None]
    return item.label or "_or_".join(dict.fromkeys(names))


class _Draw:
    """One walk through a trial's tree, noting every path on the way."""

    def __init__(self, suggest: Suggest, space: Space) -> None:
        self.suggest, self.fixed = suggest, space.fixed
        self.folders = [Path(folder) for folder in space.folders]
        self.paths: set[str] = set()
        self.params: dict[str, Any] = {}
        self.domains: dict[str, Domain] = {}
        self.tail: set[str] = set()

    def trial(self, trial: TrialConfig) -> TrialConfig:
        recipe = tuple(self.recipe(trial.recipe))
        check_labels(recipe)
        return TrialConfig(
            dataset=self.value(trial.dataset, "dataset"),
            model=self.value(trial.model, "model"),
            recipe=recipe,
            seed=self.value(trial.seed, "seed"),
        )

    def recipe(self, items: Sequence[Any]) -> Iterator[Step]:
        trained: set[str] | None = None
        for item in items:
            if trained is None and _may_compress(item):
                trained = set(self.params)
            yield from self.steps(item)
        if trained is not None:
            self.tail = self.params.keys() - trained

    def ask(self, path: str, domain: Domain) -> Any:
        self.domains[path] = domain
        self.params[path] = value = self.suggest(path, domain)
        return value

    def value(self, value: Any, path: str) -> Any:
        self.paths.add(path)
        if isinstance(value, OneOfDomain):
            name = self.choose(value, path)
            option = value.option(name)
            part = name if isinstance(option, Config) else str(value.names().index(name))
            return self.value(option, f"{path}.{part}")
        if path in self.fixed:
            return _fix(path, value, self.fixed[path])
        match value:
            case RepeatDomain(item, length):
                count = self.value(length, f"{path}.length")
                if not isinstance(count, int):
                    raise UserError(f"Repeat at {path}: length is {count!r}, not an integer")
                return tuple(self.value(item, f"{path}.{i}") for i in range(count))
            case Domain():
                return self.ask(path, value)
            case tuple() | list():
                return tuple(self.value(item, f"{path}.{i}") for i, item in enumerate(value))
            case dict():
                return {key: self.value(item, f"{path}.{key}") for key, item in value.items()}
            case Config():
                return self.config(value, path)
        return value

    def config(self, value: Any, path: str) -> Any:
        drawn = {}
        for f in fields(value):
            before = getattr(value, f.name)
            after = self.value(before, f"{path}.{f.name}")
            if after is not before:
                drawn[f.name] = after
        return replace(value, **drawn) if drawn else value

    def steps(self, item: Any) -> Iterator[Step]:
        if isinstance(item, OneOfDomain):
            path = f"recipe.{step_name(item)}"
            self.paths.add(path)
            yield from self.steps(item.option(self.choose(item, path)))
        elif isinstance(item, tuple | list):
            for part in item:
                yield from self.steps(part)
        elif item is not None:
            yield self.config(item, f"recipe.{step_name(item)}")

    def choose(self, domain: OneOfDomain, path: str) -> str:
        if path not in self.fixed:
            return str(self.ask(path, domain))
        if (name := self.fixed[path]) not in domain.names():
            raise UserError(unknown(f"option of {path}", name, domain.names()))
        return name


def _fix(path: str, old: Any, text: str) -> Any:
    """The value that a `--set` puts in the place of `old`, which must be of its kind.

    Where a config or None stood, the bare name of a class stands for it with its defaults.
    """
    try:
        data = json.loads(text)
    except ValueError:
        data = text
    is_config = isinstance(old, Config) and not isinstance(old, Domain)
    if (is_config or old is None) and isinstance(data, str) and choice(data):
        data = {"type": data}
    if isinstance(old, dict) and isinstance(data, dict):
        return {key: decode(item) for key, item in data.items()}
    new = decode(data)
    match old:
        case IntDomain():
            wanted: type | tuple[type, ...] = int
        case FloatDomain() | float():
            wanted = (int, float)
        case RepeatDomain() | list():
            wanted = tuple
        case Config():
            wanted = kind(old)
        case None:
            wanted = object
        case _:
            wanted = type(old)
    if not isinstance(new, wanted):
        like = f"another {kind(old).__name__}" if is_config else "a like value"
        raise UserError(f"--set {path}={text}: what stands there is {old!r}; give {like}")
    return new


def _check_order(name: str, low: float, high: float) -> None:
    if low > high:
        raise UserError(f"{name}({low}, {high}): low is above high; swap them")
