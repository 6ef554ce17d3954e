"""The identity of a trial: its number, and whether it is a trial or the refit of one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import total_ordering


class Kind(StrEnum):
    """A search's own trial, a refit of it, or a trial of the search that a warm start names."""

    TRIAL = "trial"
    REFIT = "refit"
    EARLIER = "earlier"


@total_ordering
@dataclass(frozen=True, slots=True)
class TrialId:
    """The number and kind of a trial, printed `0007` or `0007-refit`.

    A refit has the number of the trial that it refits. Trials come before refits, then the order
    is by number.
    """

    number: int
    kind: Kind = Kind.TRIAL

    @classmethod
    def parse(cls, text: str) -> TrialId:
        """Read what `str` prints. Raises ValueError on any other text."""
        number, _, kind = text.partition("-")
        return cls(int(number), Kind(kind or Kind.TRIAL))

    @property
    def is_refit(self) -> bool:
        return self.kind is Kind.REFIT

    @property
    def origin(self) -> TrialId:
        """The trial that a refit refits; of a trial, the trial itself."""
        return TrialId(self.number)

    @property
    def refit(self) -> TrialId:
        """The refit of a trial."""
        return TrialId(self.number, Kind.REFIT)

    def __lt__(self, other: TrialId) -> bool:
        return (self.is_refit, self.number) < (other.is_refit, other.number)

    def __str__(self) -> str:
        suffix = "" if self.kind is Kind.TRIAL else f"-{self.kind}"
        return f"{self.number:04d}{suffix}"
