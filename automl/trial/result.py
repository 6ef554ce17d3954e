"""The result of a trial, as it is kept and shown."""

from __future__ import annotations

from dataclasses import dataclass, field

from automl.config import Config
from automl.measure.measurement import Measurement


@dataclass(frozen=True)
class TrialResult(Config):
    """`status` is complete, stopped, rejected or failed; the last three carry a reason.

    `key` names the model and its `model.onnx` in the store; `parent_quality` is what the last
    training before the first compression reached; `seconds` leave out waiting;
    `reused_seconds` are what the `reused_steps` took when they were made;
    `teacher_seconds` are what the siblings that taught it took, in whichever trial;
    `notes` are what the user should know of how it went; `sensitivity` is what its steps
    measured of each layer, by their label; `system` is what the trial took of the process that
    ended it, from when it came there, unless workers of its own ran it.
    """

    status: str
    reason: str = ""
    key: str = ""
    measurement: Measurement | None = None
    parent_quality: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    reused_steps: int = 0
    reused_seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    teacher_seconds: float = 0.0
    notes: tuple[str, ...] = ()
    sensitivity: dict[str, object] = field(default_factory=dict)
    system: dict[str, float] = field(default_factory=dict)


def failed(error: BaseException) -> TrialResult:
    """The result of a trial whose recipe raised."""
    return TrialResult("failed", reason=f"{type(error).__name__}: {error}")
