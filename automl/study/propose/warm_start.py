"""The start from what an earlier search of the home has learned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from automl.config import decode, encode
from automl.errors import UserError
from automl.space.domains import Domain, OneOfDomain, ParamValue
from automl.space.exploring import Explored, explore
from automl.space.sampling import trace
from automl.space.space import Space
from automl.study.propose.samplers import distribution
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import Kind, TrialId
from automl.trial.result import Status

STATUSES = (Status.COMPLETE, Status.STOPPED)


def earlier(study: Study, space: Space) -> list[TrialRecord]:
    """The complete and stopped trials of an earlier search that could be trials of this space.

    They carry this space's distributions. What `--set` fixed counts as a choice of each, where
    this space has one there. Constants of the space, such as a number of epochs, may have changed
    since. Raises UserError when objectives or data are others, or none fits.
    """
    before = study.settings.objectives
    if set(before) != set(space.objectives):
        raise UserError(
            f"search {study.name!r} was for {', '.join(before)} and this space for "
            f"{', '.join(space.objectives)}; a warm start needs the same objectives"
        )
    if study.settings.datasets != datasets(explore(space)):
        raise UserError(
            f"search {study.name!r} learned from other data than this space names; "
            "a warm start needs the same"
        )
    ended = [r for r in study.records() if r.result and r.result.status in STATUSES]
    fixed = study.settings.fixed
    fitting = [moved for record in ended if (moved := _moved(record, space, fixed))]
    if not fitting:
        raise UserError(
            f"none of the {len(ended)} complete or stopped trials of search {study.name!r} could "
            "be one of this space; start without --warm-start"
        )
    return fitting


def datasets(explored: Explored) -> tuple[str, ...]:
    """A hash of each set that a space may learn from; it changes when the data does."""
    texts = {config.dataset.fingerprint() for config in explored.configs}
    return tuple(sorted(hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts))


def keep(records: Sequence[TrialRecord]) -> list[dict[str, object]]:
    """Records as JSON: a search keeps a copy of the trials that it was started from."""
    return [
        {
            "number": record.id.number,
            "params": dict(record.params),
            "result": encode(replace(record.result, sensitivity={}, outcomes={})),
        }
        for record in records
        if record.result is not None
    ]


def kept(study: Study, space: Space) -> list[TrialRecord]:
    """The trials that a search was started from, the same at every resume.

    None of them is a trial of the search itself.
    """
    records = [
        TrialRecord(
            id=TrialId(item["number"], Kind.EARLIER),
            params=item["params"],
            distributions={},
            result=decode(item["result"]),
        )
        for item in study.attribute("earlier", [])
    ]
    return [moved for record in records if (moved := _moved(record, space, {}))]


def _moved(record: TrialRecord, space: Space, fixed: Mapping[str, str]) -> TrialRecord | None:
    """The record, of a search with fixed values, as a trial of this space; None when the space
    cannot make one of its choices."""

    def suggest(path: str, domain: Domain) -> ParamValue:
        had = record.params.get(path, _as_choice(fixed.get(path), domain))
        if not domain.allows(had):
            raise UserError(f"{path} is not given, or of another domain")
        return had

    try:
        made = trace(space, suggest)
    except UserError:
        return None
    others = {path: value for path, value in record.params.items() if path not in made.params}
    if not all(_is_fixed(space, path, value) for path, value in others.items()):
        return None
    distributions = {path: distribution(domain) for path, domain in made.domains.items()}
    return replace(record, params=made.params, distributions=distributions)


def _as_choice(text: str | None, domain: Domain) -> ParamValue:
    """The choice of a domain that `--set` wrote as a text; None where that is none."""
    if text is None or isinstance(domain, OneOfDomain):
        return text
    try:
        return cast(ParamValue, json.loads(text))
    except ValueError:
        return None


def _is_fixed(space: Space, path: str, value: ParamValue) -> bool:
    """Tell whether `--set` gives a path this very value."""
    return space.fixed.get(path) in (value, json.dumps(value))
