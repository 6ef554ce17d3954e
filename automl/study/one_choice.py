"""Pairs of trials that differ in one choice: what that choice does, where trials are few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from automl.space.domains import Params, ParamValue
from automl.study.record import Settings, TrialRecord

MAX_RECORDS = 200
"""The latest complete trials that are compared: pairs grow with their square."""


@dataclass(frozen=True)
class OneChoice:
    """Two complete trials that differ in the choice at one path alone, the lower one first.

    What follows from that choice, such as the settings of a class, may differ with it. `num_pairs`
    counts the pairs that the search has for this path: this one differs most.
    """

    path: str
    trials: list[str]
    values: list[ParamValue]
    figures: list[Mapping[str, float]]
    num_pairs: int


def one_choice_pairs(settings: Settings, records: Sequence[TrialRecord]) -> list[OneChoice]:
    """For each path the pair that differs most on the axes; the paths of most difference first."""
    known = [record for record in records if record.is_complete][-MAX_RECORDS:]
    by_path: dict[str, list[tuple[float, TrialRecord, TrialRecord]]] = {}
    for first, second in combinations(known, 2):
        path = _only_choice(first.params, second.params)
        if path is not None:
            by_path.setdefault(path, []).append((_distance(settings, first, second), first, second))
    most = {path: max(pairs, key=lambda pair: pair[0]) for path, pairs in by_path.items()}
    return [
        _of_pair(path, first, second, len(by_path[path]))
        for path, (_, first, second) in sorted(most.items(), key=lambda item: -item[1][0])
    ]


def _of_pair(path: str, first: TrialRecord, second: TrialRecord, num_pairs: int) -> OneChoice:
    return OneChoice(
        path,
        [first.trial_id, second.trial_id],
        [first.params[path], second.params[path]],
        [first.values, second.values],
        num_pairs,
    )


def _only_choice(first: Params, second: Params) -> str | None:
    """The path at which alone two trials chose otherwise; None where there are more, or none.

    A path that one of them lacks follows from a choice: a step left out has no settings.
    """
    differing = [path for path in first if path in second and first[path] != second[path]]
    if not differing:
        return None
    path = min(differing, key=len)
    is_alone = all(other == path or other.startswith(f"{path}.") for other in differing)
    return path if is_alone else None


def _distance(settings: Settings, first: TrialRecord, second: TrialRecord) -> float:
    pairs = zip(settings.coordinates(first.values), settings.coordinates(second.values))
    return sum(abs(a - b) for a, b in pairs)
