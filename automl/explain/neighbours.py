"""The models beside one on the front: the nearest that is better in each objective."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl import noise
from automl.study.record import Settings, TrialRecord


@dataclass(frozen=True)
class Neighbour:
    """A model of the front that is better in an objective, and worse in others.

    `differs` are the objectives in which both differ by more than noise.
    """

    better: str
    trial_id: str
    figures: Mapping[str, float]
    differs: Sequence[str]


def neighbours(
    settings: Settings, record: TrialRecord, front: Sequence[TrialRecord]
) -> list[Neighbour]:
    """For each objective the front's nearest model that is better in it, by the axes."""
    own, found = settings.coordinates(record.values), []
    places = {r.id: settings.coordinates(r.values) for r in front if r.id != record.id}
    differs = {r.id: _differing(settings.objectives, record, r) for r in front}
    for position, name in enumerate(settings.axes):
        better = [
            r
            for r in front
            if r.id in places and name in differs[r.id] and places[r.id][position] > own[position]
        ]
        if better:
            nearest = min(better, key=lambda r: math.dist(own, places[r.id]))
            found.append(Neighbour(name, nearest.trial_id, nearest.values, differs[nearest.id]))
    return found


def _differing(objectives: Sequence[str], a: TrialRecord, b: TrialRecord) -> list[str]:
    """The objectives in which two models differ by more than noise."""
    errors = [record.uncertainty for record in (a, b)]
    return [
        name
        for name in objectives
        if abs(a.values[name] - b.values[name])
        > noise.tolerance(name, *(one.get(name, 0.0) for one in errors))
    ]
