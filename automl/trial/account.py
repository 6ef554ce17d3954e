"""The account of a trial, kept step by step: seconds, notes, qualities, what became of layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from automl.measure.measurement import Measurement
from automl.recipe import Context, LayerOutcome
from automl.trial import layer_outcomes
from automl.trial.result import Status, TrialResult


@dataclass(frozen=True)
class Account:
    """The seconds that a trial took so far, and what it found.

    `cost_seconds` are what all its steps took, in whichever trial they ran, its teachers'
    included; `reused_seconds` the part of the `reused_steps`. `stages` are the seconds of what
    ran in this trial, by label; `teachers` those of its siblings, by their store keys, of the
    reused steps too.
    `parent_quality` is what the last training before the first compression reached, by metric.
    `sensitivity` is JSON, by the label of the step that measured it; `outcomes` are by the label
    of the step that told of its layers.
    """

    reused_steps: int = 0
    reused_seconds: float = 0.0
    cost_seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    teachers: Mapping[str, float] = field(default_factory=dict)
    parent_quality: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sensitivity: Mapping[str, dict[str, object]] = field(default_factory=dict)
    outcomes: Mapping[str, tuple[LayerOutcome, ...]] = field(default_factory=dict)

    def with_findings(self, context: Context) -> Account:
        """The account with what a step left in its context, whether it came to its end or not."""
        own = {label: one.as_json() for label, one in context.sensitivity.items()}
        return replace(
            self,
            notes=(*self.notes, *context.notes),
            sensitivity={**self.sensitivity, **own},
            outcomes={**self.outcomes, **context.outcomes},
        )

    def with_notes(self, notes: tuple[str, ...]) -> Account:
        """The account with notes of how the model was read."""
        return replace(self, notes=(*self.notes, *notes))

    def with_step(self, label: str, seconds: float) -> Account:
        """The account with a step that is done."""
        stages = {**self.stages, label: seconds}
        return replace(self, stages=stages, cost_seconds=self.cost_seconds + seconds)

    def with_teacher(self, label: str, key: str, teacher: Account) -> Account:
        """The account with the sibling that teaches the step `label`.

        What the sibling took, whenever that was, is charged to this trial, once.
        """
        found = {f"{label}.teacher.{name}": own for name, own in teacher.sensitivity.items()}
        own = {f"{label}.teacher": sum(teacher.stages.values())} if teacher.stages else {}
        is_new = key not in self.teachers
        return replace(
            self,
            stages={**self.stages, **own},
            notes=(*self.notes, *teacher.notes),
            sensitivity={**self.sensitivity, **found},
            teachers={key: teacher.cost_seconds, **self.teachers},
            cost_seconds=self.cost_seconds + is_new * teacher.cost_seconds,
        )

    def train_seconds(self, labels: list[str]) -> float:
        """The seconds of these steps and of all teachers."""
        return sum(self.stages.get(label, 0.0) for label in labels) + self.teacher_seconds

    @property
    def teacher_seconds(self) -> float:
        return sum(self.teachers.values())

    def result(
        self, key: str, status: Status, reason: str = "", measurement: Measurement | None = None
    ) -> TrialResult:
        """The result of the trial whose last prefix has this store key."""
        size = None if measurement is None else measurement.size_bytes
        return TrialResult(
            status=status,
            reason=reason,
            key=key,
            measurement=measurement,
            parent_quality=dict(self.parent_quality),
            reused_steps=self.reused_steps,
            reused_seconds=self.reused_seconds,
            stages=dict(self.stages),
            teacher_seconds=self.teacher_seconds,
            notes=layer_outcomes.notes(self.outcomes, self.notes, size),
            sensitivity=dict(self.sensitivity),
            outcomes=dict(self.outcomes),
        )
