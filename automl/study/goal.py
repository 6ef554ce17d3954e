"""The goal of a search: conditions of which the first model that meets them ends it."""

from __future__ import annotations

from collections.abc import Iterable

from automl import quality
from automl.conditions import Condition, limits, parse_any, satisfies, violation
from automl.study.record import Settings, TrialRecord
from automl.study.reference import ReferenceFigures

REFERENCE = (
    "the reference is the space's largest fp32 model, its quality the best that any fp32 model of "
    "this search has"
)


def needs_training(wanted: Iterable[Condition], reference: Iterable[str]) -> bool:
    """Tell whether a condition is relative to a quality that is not known of the reference."""
    known = {*reference}
    return any(
        one.of_reference and one.figure in quality.METRICS and one.figure not in known
        for one in wanted
    )


class Goal:
    """The goal of a search, and the first trial that met it, if one did.

    The model must keep the space's constraints, too. A goal that is relative to the reference's
    quality cannot be met before the reference is trained. Without a text there is no goal.
    """

    def __init__(
        self, text: str | None, settings: Settings, records: Iterable[TrialRecord] = ()
    ) -> None:
        self.conditions = parse_any(text, settings.directions, settings.directions)
        self.all = [*self.conditions, *settings.conditions]
        self.needs_training = needs_training(self.all, settings.reference)
        self.reference = ReferenceFigures(settings)
        self.met_by: TrialRecord | None = None
        self._complete: list[TrialRecord] = []
        for record in records:
            self.take(record)

    def __str__(self) -> str:
        return " and ".join(map(str, self.conditions))

    def take(self, record: TrialRecord) -> None:
        """Take in how a trial ended."""
        if not self.conditions or self.met_by is not None:
            return
        has_changed = self.reference.learn(record)
        self._complete += [record] * record.is_complete
        # A reference that is known at last may show that an earlier trial was enough.
        judged = self._complete if has_changed else self._complete[-1:] * record.is_complete
        self.met_by = next(filter(self._is_met_by, judged), None)

    def _is_met_by(self, record: TrialRecord) -> bool:
        if self.needs_training and not self.reference.is_trained:
            return False
        known = limits(self.all, self.reference.figures)
        return len(known) == len(self.all) and satisfies(record.values, known)

    def ending(self) -> str:
        """Tell which trial met the goal, as a sentence's end; "" while none has."""
        if self.met_by is None:
            return ""
        figures = self._figures(self.met_by, self.conditions)
        return f"trial {self.met_by.trial_id} meets {self} ({figures})"

    def missed(self) -> str:
        """Tell how near the search came to a goal that was not met, by its conditions and the
        space's constraints; "" where it was met, or there is none."""
        if not self.conditions or self.met_by is not None:
            return ""
        known = limits(self.all, self.reference.figures)
        unknown = len(known) < len(self.all)
        if unknown or (self.needs_training and not self.reference.is_trained):
            return f"whether a model meets {self} is not known: the reference was not trained"
        wanted = " and ".join(map(str, self.all))
        if not self._complete:
            return f"no model meets {wanted}"
        nearest = min(self._complete, key=lambda record: violation(record.values, known))
        return (
            f"no model meets {wanted}: trial {nearest.trial_id} comes nearest "
            f"({self._figures(nearest, self.all)})"
        )

    def wanted(self) -> str:
        """Tell what ends the search, and what the reference is where the goal is relative to it."""
        if not self.conditions:
            return ""
        said = f"until {self}"
        return f"{said}; {REFERENCE}" if any(one.of_reference for one in self.conditions) else said

    def _figures(self, record: TrialRecord, conditions: Iterable[Condition]) -> str:
        """The figures of a trial that conditions are about, with the numbers that they are held
        to."""
        told = (
            f"{one.figure} {record.values[one.figure]:.6g}{self._bound(one)}"
            for one in conditions
            if one.figure in record.values
        )
        return ", ".join(dict.fromkeys(told))

    def _bound(self, condition: Condition) -> str:
        limit = condition.limit(self.reference.figures)
        if limit is None or not condition.of_reference:
            return ""
        return f", which must be {limit.comparison} {limit.bound:.6g}"
