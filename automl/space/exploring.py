"""Exploration of a space: configs that together meet every option, each checked."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from automl import conditions, config_checks, pareto, quality
from automl.config import locate
from automl.errors import UserError, unknown
from automl.space.domains import Domain, FloatDomain, IntDomain, OneOfDomain, Params, ParamValue
from automl.space.runtime import further_figures
from automl.space.sampling import SpaceWalk
from automl.space.space import Space, TrialConfig

TUPLES = {
    "recipe": "(Train(),)",
    "objectives": '("accuracy",)',
    "constraints": '("size_bytes<=40000",)',
    "runtimes": "(OnnxRuntime(),)",
}
"""The fields of a space and its trial that hold several items, and a tuple of a single one."""


@dataclass(frozen=True)
class Explored:
    """Configs that together meet every option of a space, and all that was met.

    `chosen` are the options of each config, by the path of their OneOf, `params` the values of
    all its domains.
    """

    configs: tuple[TrialConfig, ...]
    chosen: tuple[dict[str, str], ...]
    domains: dict[str, Domain]
    paths: frozenset[str]
    params: tuple[Params, ...]

    def blamed(self, errors: Mapping[int, UserError]) -> UserError:
        """The error of configs that cannot be, by their number, that names the options which only
        these have: the others can do without."""
        fine = [options for number, options in enumerate(self.chosen) if number not in errors]
        met = {option for options in fine for option in options.items()}
        found: dict[tuple[str, str], UserError] = {}
        for number, error in errors.items():
            own = [option for option in self.chosen[number].items() if option not in met]
            if not fine or not own:
                return error
            found.setdefault(own[0], error)
        return UserError("; ".join(self._advice(option, found) for option in found))

    def _advice(self, option: tuple[str, str], errors: Mapping[tuple[str, str], UserError]) -> str:
        path, name = option
        domain = self.domains[path]
        assert isinstance(domain, OneOfDomain)
        others = [other for other in domain.names() if (path, other) not in errors]
        fixed = shlex.quote(f"{path}={others[0]}") if others else ""
        how = f", for instance by --set {fixed}" if fixed else ""
        return f"{path}={name}: {errors[option]}; leave that option out{how}"


def explore(space: Space, *, lowest: bool = False) -> Explored:
    """Sample every option of every OneOf at least once, numbers at their highest (or lowest).

    Raises UserError on a value that cannot work, and when two branches give a path different
    domains.
    """
    domains: dict[str, Domain] = {}
    configs: list[TrialConfig] = []
    params: list[Params] = []
    options: list[dict[str, str]] = []
    paths: set[str] = set()
    queued: set[tuple[str, str]] = set()
    waiting: list[dict[str, str]] = [{}]
    while waiting:
        forced, chosen = waiting.pop(0), dict[str, str]()

        def suggest(path: str, domain: Domain) -> ParamValue:
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

        walk = SpaceWalk(suggest, space)
        config = walk.trial(space.trial)
        config_checks.check(config)
        configs.append(locate(config, walk.folders))
        options.append(chosen)
        params.append(walk.params)
        paths |= walk.paths
    return Explored(tuple(configs), tuple(options), domains, frozenset(paths), tuple(params))


def validate(space: Space) -> Explored:
    """Walk the whole space. Raises UserError on what cannot be right in it."""
    for name, single in TUPLES.items():
        value = getattr(space.trial if name == "recipe" else space, name)
        if not isinstance(value, tuple | list):
            raise UserError(
                f"{name} is {value}, not a tuple; a single item needs a comma behind it: {single}"
            )
    if not space.objectives:
        raise UserError("the space has no objectives; give it at least one")
    if len(set(space.objectives)) < len(space.objectives):
        raise UserError(f"an objective is named twice: {', '.join(space.objectives)}")
    for runtime in space.runtimes:
        config_checks.check(runtime)
    if space.runtimes and (first := space.runtimes[0]).format:
        name = type(first).__name__
        raise UserError(
            f"the first runtime takes the ONNX file, and {name} does not; write "
            f"runtimes=(OnnxRuntime(), {name}())"
        )
    known = [*pareto.DIRECTIONS, *further_figures(space.runtimes)]
    for name in space.objectives:
        if name not in (quality.QUALITY, *known):
            raise UserError(unknown("objective", name, [quality.QUALITY, *known]))
    for constraint in space.constraints:
        conditions.parse(constraint, known)
    explored = explore(space)
    for path in space.fixed:
        if path not in explored.paths:
            raise UserError(unknown("--set path", path, sorted(explored.paths)))
    for config in (*explored.configs, *explore(space, lowest=True).configs):
        check(config)
    return explored


def check(config: TrialConfig) -> None:
    """Raise UserError on a step that cannot stand after those before it."""
    for position, step in enumerate(config.recipe):
        step.check(config.recipe[:position])
