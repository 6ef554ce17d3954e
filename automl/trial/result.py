"""The end of a trial: its status and reason, its measurement, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from automl.config import Config
from automl.errors import traceback_of, words
from automl.measure.measurement import Measurement
from automl.recipe import LayerOutcome


class Status(StrEnum):
    """The ways in which a trial or a proposal ends.

    A trial that completes is measured. `stopped` ends at an epoch, `rejected` at the gate, `failed`
    by an error. `screened` is a proposal that is refused before any work: never a trial's status.
    """

    COMPLETE = "complete"
    STOPPED = "stopped"
    REJECTED = "rejected"
    FAILED = "failed"
    SCREENED = "screened"


@dataclass(frozen=True)
class TrialResult(Config):
    """The end of a trial. Every status but `complete` comes with a reason.

    `key` names the model and its `model.onnx` in the store; `parent_quality` is what the last
    training before the first compression reached; `seconds` leave out
    the `waited_seconds`, until a measurer had time;
    `reused_seconds` are what the `reused_steps` took when they were made;
    `teacher_seconds` are what the siblings took that taught the model, in whichever trial;
    `notes` are what the user should know of how the trial went; `sensitivity` is what its steps
    measured of each layer, by their label, `outcomes` what they made of each; `system` is what
    the trial took of the process that ended it, from when it came there, unless workers of its
    own ran it; `traceback` is that of what it raised. `shortened` says how the training came to be
    shorter than it was to be, for want of time; `config` is the whole config as JSON where it is
    another for that reason.
    """

    status: Status
    reason: str = ""
    key: str = ""
    measurement: Measurement | None = None
    parent_quality: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    waited_seconds: float = 0.0
    reused_steps: int = 0
    reused_seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    teacher_seconds: float = 0.0
    notes: tuple[str, ...] = ()
    sensitivity: dict[str, dict[str, object]] = field(default_factory=dict)
    outcomes: dict[str, tuple[LayerOutcome, ...]] = field(default_factory=dict)
    shortened: str = ""
    config: str = field(default="", repr=False)
    system: dict[str, float] = field(default_factory=dict)
    traceback: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        # JSON has the word alone.
        object.__setattr__(self, "status", Status(self.status))

    @property
    def is_complete(self) -> bool:
        return self.status is Status.COMPLETE


def failed(error: BaseException) -> TrialResult:
    """The result of a trial whose recipe raised."""
    return TrialResult(Status.FAILED, reason=words(error), traceback=traceback_of(error))
