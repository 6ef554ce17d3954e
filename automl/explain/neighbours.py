"""The models beside one on the front: the nearest that is better in each objective."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl.study.record import Settings, TrialRecord


@dataclass(frozen=True)
class Neighbour:
    """A model of the front that is better in an objective, and worse in others."""

    better: str
    trial_id: str
    figures: Mapping[str, float]


def neighbours(
    settings: Settings, record: TrialRecord, front: Sequence[TrialRecord]
) -> list[Neighbour]:
    """For each objective the front's nearest model that is better in it, by the axes."""
    own, found = settings.coordinates(record.values), []
    for position, name in enumerate(settings.axes):
        places = {r.id: settings.coordinates(r.values) for r in front if r.id != record.id}
        better = [r for r in front if r.id in places and places[r.id][position] > own[position]]
        if better:
            nearest = min(better, key=lambda r: math.dist(own, places[r.id]))
            found.append(Neighbour(name, nearest.trial_id, nearest.values))
    return found
