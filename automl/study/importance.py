"""The parameters that decide each objective: alone by PED-ANOVA, in pairs by a two-way ANOVA.

PED-ANOVA: https://arxiv.org/abs/2304.10255, in conditional spaces https://arxiv.org/abs/2601.20800
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, create_trial
from scipy.special import fdtrc

from automl.space.domains import ParamValue
from automl.study.propose.gaussian_process import Array
from automl.study.propose.ranking import of_note
from automl.study.propose.surrogate import code
from automl.study.record import Settings, TrialRecord

MIN_TRIALS = 20
"""The complete trials below which nothing is said."""
NUM_TOP, TOP_SHARE = 5, 0.2
"""The best trials are this share of all, and at least NUM_TOP."""
SHUFFLES = 60
DOUBT = 0.05
"""What is clear would come about by chance at most this often."""
SPARE_TRIALS = 10
"""The trials with both of a pair that there must be beyond the numbers to fit."""


@dataclass(frozen=True)
class Importance:
    """The importance of a parameter: how well it tells the best trials from the others.

    `share` is of what all parameters do, less what shuffled results give on average; `is_clear`
    when no parameter stands out as much in those. `best` is the parameter in the best trials: the
    middle half of numbers, or the most frequent option.
    """

    path: str
    share: float
    is_clear: bool
    best: str


@dataclass(frozen=True)
class Interaction:
    """The share of an objective's variance that two parameters explain together, beyond what
    each explains alone, among the `num_trials` that have both."""

    first: str
    second: str
    share: float
    is_clear: bool
    num_trials: int


def complete(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [record for record in records if record.is_complete]


def importances(settings: Settings, records: Sequence[TrialRecord]) -> dict[str, list[Importance]]:
    """The parameters of each objective, the clear ones first, then by share.

    There are none of too few trials.
    """
    known = complete(records)
    if len(known) < MIN_TRIALS:
        return {}
    study = _in_memory(settings, known)
    return {name: _of_objective(study, i, known) for i, name in enumerate(settings.axes)}


def interactions(
    settings: Settings, records: Sequence[TrialRecord]
) -> dict[str, list[Interaction]]:
    """The pairs of parameters that enough trials have, for each objective, the strongest first.

    On the objective's axis, bytes and times in logarithms, two linear models are compared: one
    of either parameter (numbers squared, too), and one with their products besides (an F-test
    of the extra sum of squares, Bonferroni's correction over all pairs). Effects that multiply
    bytes are no interaction.
    """
    known = complete(records)
    if len(known) < MIN_TRIALS:
        return {}
    coordinates = of_note(np.array([settings.coordinates(record.values) for record in known]))
    distributions = {path: d for record in known for path, d in record.distributions.items()}
    pairs = list(combinations(sorted(distributions), 2))
    found = {
        name: [
            pair
            for first, second in pairs
            if (pair := _pair(first, second, distributions, known, coordinates[:, i], len(pairs)))
        ]
        for i, name in enumerate(settings.axes)
    }
    return {name: sorted(own, key=lambda pair: -pair.share) for name, own in found.items()}


def _in_memory(settings: Settings, records: Sequence[TrialRecord]) -> optuna.Study:
    """A study of these trials, their values on the axes turned round: PED-ANOVA minimizes."""
    study = optuna.create_study(directions=["minimize"] * len(settings.axes))
    study.add_trials(
        [
            create_trial(
                params=dict(record.params),
                distributions=record.distributions,
                values=[-value for value in settings.coordinates(record.values)],
            )
            for record in records
        ]
    )
    return study


def _of_objective(study: optuna.Study, i: int, records: Sequence[TrialRecord]) -> list[Importance]:
    values = np.array([trial.values[i] for trial in study.get_trials(deepcopy=False)])
    raw, rng = _ped_anova(study, values), np.random.default_rng(0)
    paths = list(raw)
    found = np.array([raw[path] for path in paths])
    shuffled = [_ped_anova(study, rng.permutation(values)) for _ in range(SHUFFLES)]
    by_chance = np.array([[one[path] for path in paths] for one in shuffled])
    beyond = np.maximum(found - by_chance.mean(axis=0), 0.0)
    shares, clear = beyond / (beyond.sum() or 1.0), _are_clear(found, by_chance)
    top = [records[j] for j in np.argsort(values, kind="stable")[: _num_top(len(records))]]
    return [
        Importance(paths[j], float(shares[j]), bool(clear[j]), _best(paths[j], top))
        for j in np.lexsort((-shares, ~clear))
        if shares[j] > 0
    ]


def _are_clear(found: Array, by_chance: Array) -> NDArray[np.bool_]:
    """A mask of the parameters that stand out more than any does in nearly all shuffles.

    Each is held against its own mean and spread in them: Westfall and Young's maxT, so that of
    all parameters together a false one is taken at most as often as DOUBT."""
    middle, spread = by_chance.mean(axis=0), by_chance.std(axis=0) + 1e-12
    limit = np.quantile(((by_chance - middle) / spread).max(axis=1), 1 - DOUBT)
    clear: NDArray[np.bool_] = (found - middle) / spread > limit
    return clear


def _ped_anova(study: optuna.Study, values: Array) -> dict[str, float]:
    """Each parameter's importance, were these the trials' values."""
    evaluator = PedAnovaImportanceEvaluator(target_quantile=_num_top(len(values)) / len(values))

    def target(trial: FrozenTrial) -> float:
        return float(values[trial.number])

    with warnings.catch_warnings():
        # That low targets are good, and that `normalize` may change.
        warnings.simplefilter("ignore")
        return get_param_importances(study, evaluator=evaluator, target=target, normalize=False)


def _num_top(count: int) -> int:
    return max(NUM_TOP, math.ceil(TOP_SHARE * count))


def _best(path: str, top: Sequence[TrialRecord]) -> str:
    having = [record for record in top if path in record.params]
    values = [record.params[path] for record in having]
    if not values:
        return "absent"
    if isinstance(having[0].distributions[path], CategoricalDistribution):
        return str(max(dict.fromkeys(values), key=values.count))
    low, high = np.quantile(np.array(values, float), (0.25, 0.75))
    return f"{low:.3g} to {high:.3g}" if high > low else f"{low:.3g}"


def _pair(
    first: str,
    second: str,
    distributions: Mapping[str, BaseDistribution],
    records: Sequence[TrialRecord],
    coordinates: Array,
    num_pairs: int,
) -> Interaction | None:
    """The interaction of two parameters; None where too few trials tell."""
    both = [i for i, r in enumerate(records) if first in r.params and second in r.params]
    if len(both) < SPARE_TRIALS:
        return None
    one, other = (
        _coded(distributions[path], [records[i].params[path] for i in both])
        for path in (first, second)
    )
    if not (one.size and other.size):
        return None
    values, ones = coordinates[both] - coordinates[both].mean(), np.ones((len(both), 1))
    alone = np.hstack([ones, one, one**2, other, other**2])
    products = (one[:, :, None] * other[:, None, :]).reshape(len(both), -1)
    rest, rank = _misfit(alone, values)
    left, whole_rank = _misfit(np.hstack([alone, products]), values)
    total, spare = float(values @ values), len(both) - whole_rank
    if whole_rank == rank or spare < SPARE_TRIALS or total < 1e-12:
        return None
    left = max(left, 1e-9 * total)
    ratio = max(0.0, rest - left) / (whole_rank - rank) / (left / spare)
    chance = float(fdtrc(whole_rank - rank, spare, ratio)) * num_pairs
    share = max(0.0, rest - left) / total
    return Interaction(first, second, share, chance < DOUBT, len(both))


def _coded(distribution: BaseDistribution, values: Sequence[ParamValue]) -> Array:
    """Centred columns, without columns of a single value."""
    columns = code(distribution, values)
    columns = columns - columns.mean(axis=0)
    kept: Array = columns[:, np.abs(columns).max(axis=0) > 1e-9]
    return kept


def _misfit(columns: Array, values: Array) -> tuple[float, int]:
    """The squares of the values that least squares leave, and the count of fitted numbers."""
    solution, _, rank, _ = np.linalg.lstsq(columns, values, rcond=1e-9)
    return float(np.square(values - columns @ solution).sum()), int(rank)
