"""The samplers that a user may name, and Optuna as one `suggest` among others."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cache

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from automl.space.domains import Domain, FloatDomain, IntDomain, OneOfDomain, Suggest

STARTUP_TRIALS = 10
POPULATION = 20


def _tpe(seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(multivariate=True, group=True, n_startup_trials=STARTUP_TRIALS, seed=seed)


def _gp(seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return GPSampler(n_startup_trials=STARTUP_TRIALS, seed=seed)


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": _tpe,
    "nsga2": lambda seed: NSGAIISampler(population_size=POPULATION, seed=seed),
    "gp": _gp,
    "random": lambda seed: RandomSampler(seed=seed),
}


def distribution(domain: Domain) -> BaseDistribution:
    """The domain in Optuna's terms; equal domains share an object."""
    match domain:
        case IntDomain(low, high, step):
            return _int(low, high, step)
        case FloatDomain(low, high, log):
            return _float(low, high, log)
        case OneOfDomain():
            return _choice(tuple(domain.names()))
    raise AssertionError(domain)


def distributions(domains: Mapping[str, Domain]) -> dict[str, BaseDistribution]:
    """The domains by their paths; trials of the same ones share a dict, which nobody changes."""
    found = {path: distribution(domain) for path, domain in domains.items()}
    return _SHARED.setdefault(tuple((path, id(one)) for path, one in found.items()), found)


_SHARED: dict[tuple[tuple[str, int], ...], dict[str, BaseDistribution]] = {}


@cache
def _int(low: int, high: int, step: int) -> BaseDistribution:
    return IntDistribution(low, high, step=step)


@cache
def _float(low: float, high: float, log: bool) -> BaseDistribution:
    return FloatDistribution(low, high, log=log)


@cache
def _choice(names: tuple[str, ...]) -> BaseDistribution:
    return CategoricalDistribution(names)


def take_over(study: Study, trial: FrozenTrial, evolution: BaseSampler) -> None:
    """Add a trial that ended elsewhere. NSGA-II must note the generation before the trial ends."""
    if not isinstance(evolution, NSGAIISampler):
        study.add_trial(trial)
        return
    running = create_trial(
        state=TrialState.RUNNING,
        params=trial.params,
        distributions=trial.distributions,
        system_attrs=trial.system_attrs,
    )
    study.add_trial(running)
    number = len(study.get_trials(deepcopy=False)) - 1
    evolution.get_trial_generation(study, study.get_trials(deepcopy=False)[number])
    study.tell(number, trial.values, state=trial.state)


def suggest_from(trial: Trial) -> Suggest:
    """Suggest what an Optuna trial suggests."""

    def suggest(path: str, domain: Domain) -> int | float | str:
        match domain:
            case IntDomain(low, high, step):
                return trial.suggest_int(path, low, high, step=step)
            case FloatDomain(low, high, log):
                return trial.suggest_float(path, low, high, log=log)
            case OneOfDomain():
                return str(trial.suggest_categorical(path, domain.names()))
        raise AssertionError(domain)

    return suggest
