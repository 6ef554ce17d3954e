"""Faults of a search's own process that did not end it: counted, told, and kept."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from automl.errors import alike, traceback_of, words


@dataclass(frozen=True)
class Fault:
    """A kind of fault: the `subject` that it befell ("candidate"), the `outcome` ("could not be
    drawn"), why, and how often; the reason and the traceback are the first one's."""

    subject: str
    outcome: str
    reason: str
    traceback: str
    count: int = 1

    def __str__(self) -> str:
        reason = self.reason.partition("\n")[0]
        return f"{self.count} {self.subject}{'s' * (self.count > 1)} {self.outcome}: {reason}"


class Faults:
    """The faults of a search by their kind; any thread may note one.

    Those that differ in numbers alone are of one kind. `known` are those of earlier runs.
    """

    def __init__(self, known: Iterable[Fault] = ()) -> None:
        self.kinds = {_kind(fault): fault for fault in known}
        self.cases: set[tuple[str, str]] = set()
        self.lock = threading.Lock()
        self.is_changed = False

    def note(self, subject: str, outcome: str, error: BaseException, case: str = "") -> None:
        """Note what an error has befallen; the same case of it once."""
        fault = Fault(subject, outcome, words(error), traceback_of(error))
        with self.lock:
            if case and (outcome, case) in self.cases:
                return
            self.cases.add((outcome, case))
            known = self.kinds.get(_kind(fault))
            self.kinds[_kind(fault)] = replace(known, count=known.count + 1) if known else fault
            self.is_changed = True

    def take_changed(self) -> list[dict[str, object]] | None:
        """All faults as JSON when some were noted since the last call; None otherwise."""
        with self.lock:
            if not self.is_changed:
                return None
            self.is_changed = False
            return [asdict(fault) for fault in self.kinds.values()]


def _kind(fault: Fault) -> tuple[str, str, str]:
    return fault.subject, fault.outcome, alike(fault.reason)
