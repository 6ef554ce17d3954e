"""What a search would try next, were it to go on, and what it expects of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.config import canonical
from automl.space.space import Space, TrialConfig
from automl.study.propose import warm_start
from automl.study.propose.candidates import Candidate
from automl.study.propose.proposer import MIN_COMPLETE, Drawer, course
from automl.study.record import trial_id
from automl.study.stopping.rung_entry import Bound
from automl.study.study import Study


@dataclass(frozen=True)
class Proposal:
    """A trial that would come next. `parent` is the trial whose training it would go on from, if
    it is to; `changed` are the parameters in which it differs from that or, of a new training,
    from the nearest member of the front; `expected` holds [low, likely, high] of each
    objective, one standard deviation to either side; `gain` is the expected hypervolume."""

    params: dict[str, Any]
    parent: str | None
    nearest: str | None
    changed: dict[str, Any]
    expected: dict[str, list[float]]
    gain: float | None


def proposals(
    study: Study, space: Space, bound_of: Callable[[TrialConfig], Bound], count: int = 4
) -> list[Proposal]:
    """The next proposals, in order: each is drawn as if those before it were running.

    Expectations are those that the search ranks by; there are none before enough trials are
    complete.
    """
    records = study.records()
    drawer = Drawer(
        study.settings,
        space,
        lambda config: [canonical(config)],
        bound_of,
        warm_start.kept(study, space),
        reuse=study.attribute("options", {}).get("reuse", True),
        slots=study.attribute("slots", 1),
    )
    for _, is_begun, record in course(records):
        (drawer.note if is_begun else drawer.learn)(record)
    after = max((record.left for record in records), default=0)
    drawn = [drawer.draw(after) for _ in range(count)]
    return [_foretold(drawer, one.candidate) for one in drawn if one.is_new]


def _foretold(drawer: Drawer, candidate: Candidate) -> Proposal:
    history, members, axes = drawer.history, drawer.front.members, drawer.settings.axes
    nearest = min(members, key=lambda one: len(_differing(candidate, one.params)), default=None)
    parent, expected, gain = candidate.parent, {}, None
    if len(history.told) >= MIN_COMPLETE:
        known = [(candidate, drawer.bound_of(candidate.config))]
        places = np.array([history.by_number[member.number].place for member in members])
        places = places.reshape(-1, len(axes))
        mean, std = drawer.ranker.foretold(history, known)
        gain = float(drawer.ranker.gains(history, places, known)[0])
        for (name, axis), middle, doubt in zip(axes.items(), mean[0], std[0], strict=True):
            ends = [axis.value(min(1.0, max(0.0, middle + d))) for d in (-doubt, 0.0, doubt)]
            expected[name] = [min(ends), ends[1], max(ends)]
    origin = None if parent is None else history.by_number[parent].candidate.params
    base = origin or (nearest.params if nearest else {})
    return Proposal(
        params=candidate.params,
        parent=None if parent is None else trial_id(parent),
        nearest=nearest.trial_id if nearest else None,
        changed=_differing(candidate, base),
        expected=expected,
        gain=gain,
    )


def _differing(candidate: Candidate, params: Any) -> dict[str, Any]:
    return {k: v for k, v in candidate.params.items() if k not in params or params[k] != v}
