"""The next proposals of a search, were it to go on, and what is expected of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from automl.bounds.bound import Bound
from automl.config import canonical
from automl.space.domains import Params
from automl.space.space import Space, TrialConfig
from automl.study.propose import warm_start
from automl.study.propose.candidates import Candidate
from automl.study.propose.knowledge import happenings
from automl.study.propose.proposer import MIN_COMPLETE, Proposer, ProposerOptions
from automl.study.study import Study


@dataclass(frozen=True)
class ForetoldProposal:
    """A trial that would come next.

    `parent` is the trial whose training it would go on from, if it is to; `changed` are the
    parameters in which it differs from that or, of a new training, from the nearest member of the
    front; `expected` holds [low, likely, high] of each objective, one standard deviation to
    either side; `gain` is the expected hypervolume.
    """

    params: Params
    parent: str | None
    nearest: str | None
    changed: Params
    expected: dict[str, list[float]]
    gain: float | None


def proposals(
    study: Study, space: Space, bound_of: Callable[[TrialConfig], Bound], count: int = 4
) -> list[ForetoldProposal]:
    """The next proposals, in order: each is drawn as if those before it were running.

    Expectations are those that the search ranks by; there are none before enough trials are
    complete.
    """
    records = study.records()
    options = ProposerOptions(
        reuse=study.attribute("options", {}).get("reuse", True),
        slots=study.attribute("slots", 1),
    )
    proposer = Proposer(
        study.settings,
        space,
        lambda config: [canonical(config)],
        bound_of,
        options,
        warm_start.kept(study, space),
    )
    for happening in happenings(records):
        learn = proposer.learn_start if happening.is_start else proposer.learn
        learn(happening.record)
    num_departures = max((record.course.departure for record in records), default=0)
    drawn = [proposer.propose(num_departures) for _ in range(count)]
    return [_foretold(proposer, one.candidate) for one in drawn if one and one.is_new]


def _foretold(proposer: Proposer, candidate: Candidate) -> ForetoldProposal:
    known = proposer.known
    history, members, axes = known.history, known.front.members, proposer.settings.axes
    nearest = min(members, key=lambda one: len(_differing(candidate, one.params)), default=None)
    parent, expected, gain = candidate.parent, {}, None
    if len(history.observations) >= MIN_COMPLETE:
        bounded = [known.bounded(candidate)]
        front = history.coordinates(known.front.unbeaten, len(axes))
        mean, std = proposer.ranker.foretold(history, bounded)
        gain = float(proposer.ranker.gains(history, front, bounded)[0])
        for (name, axis), middle, doubt in zip(axes.items(), mean[0], std[0], strict=True):
            ends = [axis.value(min(1.0, max(0.0, middle + d))) for d in (-doubt, 0.0, doubt)]
            expected[name] = [min(ends), ends[1], max(ends)]
    origin = None if parent is None else history.by_id[parent].candidate.params
    base = origin or (nearest.params if nearest else {})
    return ForetoldProposal(
        params=candidate.params,
        parent=None if parent is None else str(parent),
        nearest=nearest.trial_id if nearest else None,
        changed=_differing(candidate, base),
        expected=expected,
        gain=gain,
    )


def _differing(candidate: Candidate, params: Params) -> Params:
    return {k: v for k, v in candidate.params.items() if k not in params or params[k] != v}
