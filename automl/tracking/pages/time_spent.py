"""Computing time of a search by its stages, and the time that reuse saved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl.study.record import TrialRecord

TRAINING, COMPRESSION, STEPS = "training", "compression", "other steps"
MEASURING, LOST = "export and measuring", "trials without a result"
KINDS = (TRAINING, COMPRESSION, STEPS, MEASURING, LOST)


@dataclass(frozen=True)
class Stage:
    """A kind of work, its label in the recipe, and the seconds that it took in all trials."""

    kind: str
    label: str
    seconds: float


def stages(records: Sequence[TrialRecord], compresses: Mapping[str, bool]) -> list[Stage]:
    """The stages of all trials that ended, kind by kind; their seconds add up to all.

    Stages of trials that ended without a result are not told apart, nor are the steps that a
    trial had done before it was paused.
    """
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for record in records:
        assert record.result is not None
        own = record.result.stages
        for label, took in own.items():
            seconds[_kind(label, compresses), label] += took
        rest = max(0.0, record.result.seconds - sum(own.values()))
        if not own:
            seconds[LOST, record.result.status] += rest
        elif record.course.seconds:
            before = min(rest, record.course.seconds)
            seconds[STEPS, "done before a pause"] += before
            seconds[MEASURING, "measuring, loading"] += rest - before
        else:
            seconds[MEASURING, "measuring, loading"] += rest
    spent = [Stage(kind, label, took) for (kind, label), took in seconds.items()]
    return sorted(spent, key=lambda stage: KINDS.index(stage.kind))


def saved(records: Sequence[TrialRecord]) -> float:
    """Seconds that the steps taken from the store had cost, those of a trial's own left out."""
    return sum(
        max(0.0, record.result.reused_seconds - record.course.seconds)
        for record in records
        if record.result is not None
    )


def _kind(label: str, compresses: Mapping[str, bool]) -> str:
    if label == "export":
        return MEASURING
    # A step's teacher is trained as `label.teacher`.
    if ".teacher" in label:
        return TRAINING
    if label not in compresses:
        return STEPS
    return COMPRESSION if compresses[label] else TRAINING
