"""A watcher that shows a search in the output of a notebook's cell while it runs."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl.engine import notebook_html
from automl.engine.searches import Search
from automl.engine.watch import Watch
from automl.recipe import Report
from automl.study.budget import Budget
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

PAUSE_SECONDS = 1.0
"""The least time between two pictures of trials at work."""


def in_notebook() -> bool:
    """True in the kernel of a notebook, which has loaded IPython by itself."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return type(get_ipython()).__name__ == "ZMQInteractiveShell"


class NotebookWatch(Watch):
    """Shows what was found in data, the trials at work and the front so far, in one output, once
    there is something to show."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.study: Study | None = None
        self.running: dict[TrialId, str] = {}
        self.shown_at = 0.0
        self.output: DisplayHandle | None = None

    def _repr_html_(self) -> str:
        lines = [*self.lines, *(f"{trial}: {doing}" for trial, doing in self.running.items())]
        told = "<br>".join(map(html.escape, lines))
        return f"<p>{told}</p>" + (
            notebook_html.table(self.study.summary()) if self.study is not None else ""
        )

    def found(self, lines: Sequence[str]) -> None:
        self._say(*lines)

    def connecting(self) -> None:
        self._say("starting Ray …")

    def waiting(self, why: str) -> None:
        self._say(why)

    def planned(self, plan: str) -> None:
        self._say(plan)

    def left_out(self, why: str) -> None:
        self._say(why)

    def began(self, study: Study, slots: int, budget: Budget) -> None:
        # The search's own does not keep what it writes.
        self.study = Study(study.folder)
        self._say(f"searching {study.name}: {slots} trials at once, in {study.folder}")

    def started(self, record: TrialRecord) -> None:
        self.running[record.id] = "waiting"

    def reported(self, trial: TrialId, report: Report) -> None:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in report.metrics.items())
        self.running[trial] = f"{report.step} {report.epoch}/{report.epochs}: {figures}"
        if time.monotonic() - self.shown_at > PAUSE_SECONDS:
            self._show()

    def paused(self, trial: TrialId) -> None:
        self.running.pop(trial, None)

    def lost(self, trial: TrialId, fault: str) -> None:
        self._say(f"trial {trial}: {fault}")

    def finished(self, record: TrialRecord) -> None:
        self.running.pop(record.id, None)
        self._show()

    def ended(self, search: Search, notes: list[str]) -> None:
        self.running.clear()
        self._say(*notes, *[f"no model: {search.failed}"] * bool(search.failed))

    def _say(self, *lines: str) -> None:
        self.lines += lines
        self._show()

    def _show(self) -> None:
        self.shown_at = time.monotonic()
        if self.output is None:
            from IPython.display import display

            self.output = display(self, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self.output.update(self)  # type: ignore[no-untyped-call]
