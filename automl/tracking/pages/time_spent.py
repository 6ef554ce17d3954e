"""What a search's computing time went into, and what reuse saved of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from automl.study.record import TrialRecord

TRAINING, COMPRESSION, STEPS = "training", "compression", "other steps"
MEASURING, LOST = "export and measuring", "trials without a result"
KINDS = (TRAINING, COMPRESSION, STEPS, MEASURING, LOST)
Stage = tuple[str, str]
"""A kind of work, and what it is called in the recipe."""


def spent(records: Sequence[TrialRecord], compresses: Mapping[str, bool]) -> dict[Stage, float]:
    """Seconds of each stage over all trials that ended, kind by kind; they add up to all.

    What a trial that ended without a result had done is not told apart, nor are the steps that
    a trial had done before it was paused.
    """
    seconds: dict[Stage, float] = defaultdict(float)
    for record in records:
        assert record.result is not None
        stages = record.result.stages
        for label, took in stages.items():
            seconds[_kind(label, compresses), label] += took
        rest = max(0.0, record.result.seconds - sum(stages.values()))
        if not stages:
            seconds[LOST, record.result.status] += rest
        elif record.course.seconds:
            before = min(rest, record.course.seconds)
            seconds[STEPS, "done before a pause"] += before
            seconds[MEASURING, "measuring, loading"] += rest - before
        else:
            seconds[MEASURING, "measuring, loading"] += rest
    return {stage: seconds[stage] for stage in sorted(seconds, key=lambda s: KINDS.index(s[0]))}


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
