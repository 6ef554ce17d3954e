"""The progress of a search: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from automl.cli import streams
from automl.engine.searches import Search
from automl.engine.watch import Watch
from automl.recipe import Report
from automl.study.budget import Budget
from automl.study.goal import Goal
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId
from automl.tracking import server
from automl.trial.result import Status

REFRESH_PER_SECOND = 2
WAITING = "waiting"
LINE_SECONDS = 60.0
"""Without a terminal a line tells the progress, once in so many seconds."""


class Progress(Watch):
    """A watch that writes to standard error only."""

    def __init__(self) -> None:
        self.console = _ErrorConsole()
        self.live: Live | None = None
        self.told = ""
        self.running: dict[TrialId, str] = {}
        self.num_ended: Counter[Status] = Counter()

    def found(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.say(line)

    def connecting(self) -> None:
        self.say("starting Ray …")

    def began(self, study: Study, slots: int, budget: Budget) -> None:
        self.study, self.budget, self.started_at = study, budget, time.monotonic()
        ended = (record.result for record in study.records())
        self.num_ended = Counter(result.status for result in ended if result is not None)
        self.front = study.front()
        self.next_line = self.started_at + LINE_SECONDS
        self.say(f"searching {study.name}: {slots} trials at once, in {study.folder}")
        if goal := Goal(budget.until, study.settings).wanted():
            self.say(goal)
        if self.console.is_terminal:
            self.live = Live(
                get_renderable=self._view,
                console=self.console,
                refresh_per_second=REFRESH_PER_SECOND,
                transient=True,
            )
            self.live.start()

    def started(self, record: TrialRecord) -> None:
        self.running[record.id] = WAITING

    def reported(self, trial: TrialId, report: Report) -> None:
        shown = {"loss", *self.study.settings.objectives} & report.metrics.keys()
        figures = ", ".join(f"{name} {report.metrics[name]:.4g}" for name in sorted(shown))
        self.running[trial] = f"{report.step} {report.epoch}/{report.epochs}: {figures}"
        if report.note and not self.told:
            self.told = report.note
            self.say(f"trial {trial}: {report.note}")

    def looked(self, seconds_left: float) -> None:
        now = time.monotonic()
        if self.console.is_terminal or now < self.next_line:
            return
        self.next_line += LINE_SECONDS * (1 + (now - self.next_line) // LINE_SECONDS)
        works = ((trial, what) for trial, what in self.running.items() if what != WAITING)
        doing = [f"{trial} at {what.partition(':')[0]}" for trial, what in works]
        parts = [_clock(now - self.started_at), self._summary(), *self._best(), *doing]
        ends = f"; ends in about {_clock(seconds_left)}" if seconds_left < math.inf else ""
        self.say(", ".join(parts) + ends)

    def paused(self, trial: TrialId) -> None:
        self.running.pop(trial, None)

    def waiting(self, why: str) -> None:
        self.say(why)

    def planned(self, plan: str) -> None:
        self.say(plan)

    def left_out(self, why: str) -> None:
        self.say(why)

    def lost(self, trial: TrialId, fault: str) -> None:
        self.say(f"trial {trial}: {fault}")

    def resized(self, slots: int) -> None:
        self.say(f"the cluster has changed: {slots} trials at once")

    def finished(self, record: TrialRecord) -> None:
        self.running.pop(record.id, None)
        if record.result is not None and not record.id.is_refit:
            self.num_ended[record.result.status] += 1
        self.front.add(record)
        self.say(self._line(record))

    def closed(self) -> None:
        if self.live is not None:
            self.live.stop()

    def ended(self, search: Search, notes: list[str]) -> None:
        self.say(self._summary())
        for note in notes:
            self.say(note)
        name = search.study.name
        if search.failed:
            self.say(
                f"no model: {search.failed}; mend that, or search longer: automl resume {name}"
            )
        elif search.interrupted:
            self.say(f"interrupted; what finished is kept. To go on: automl resume {name}")
        else:
            self.say(f"look: {server.where_to_look(search.study)}")

    def say(self, line: str) -> None:
        self.console.print(Text(line), soft_wrap=True)

    def _line(self, record: TrialRecord) -> str:
        result = record.result
        assert result is not None
        if result.measurement is None:
            return f"trial {record.trial_id} {result.status}: {result.reason}"
        objectives = self.study.settings.objectives
        figures = ", ".join(f"{name} {record.values[name]:.6g}" for name in objectives)
        mark = "  on the front" if record.id in {r.id for r in self.front.members} else ""
        reused = f", {result.reused_steps} steps reused" if result.reused_steps else ""
        notes = "".join(f"; {note}" for note in result.notes)
        return f"trial {record.trial_id} {figures} ({result.seconds:.1f} s{reused}){mark}{notes}"

    def _summary(self) -> str:
        states = ", ".join(f"{count} {status}" for status, count in sorted(self.num_ended.items()))
        front = f"front {len(self.front.members)}, hypervolume {self.front.hypervolume:.4f}"
        return f"{states or 'no trial yet'}; {front}"

    def _best(self) -> list[str]:
        """The best value so far of the first objective, in words; none without a model."""
        settings = self.study.settings
        name = settings.objectives[0]
        values = [record.values[name] for record in self.front.members]
        best = max if settings.directions[name] == "max" else min
        return [f"best {name} {best(values):.6g}"] if values else []

    def _remaining(self) -> str:
        remaining = []
        if (trials := self.budget.max_trials()) < float("inf"):
            remaining.append(f"{self.num_ended.total()} of {int(trials)} trials")
        if self.budget.minutes is not None:
            seconds = self.budget.minutes * 60 - (time.monotonic() - self.started_at)
            remaining.append(f"{_clock(seconds)} left")
        return ", ".join(remaining)

    def _view(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for trial, doing in list(self.running.items()):
            table.add_row(f"  {trial}", doing)
        return Group(Text(f"{self._remaining()}; {self._summary()}", style="bold"), table)


def _clock(seconds: float) -> str:
    """Seconds as minutes and seconds; none below zero."""
    whole = max(0, int(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


class _ErrorConsole(Console):
    """Standard error as Rich writes it; when its reader has gone the search goes on."""

    def __init__(self) -> None:
        super().__init__(file=sys.stderr, highlight=False)

    def on_broken_pipe(self) -> None:
        streams.hang_up(sys.stderr)
