"""Checkpoints: the latest epoch of an unfinished step, in the store."""

from __future__ import annotations

import json
import time

from automl.recipe import Report
from automl.store import Store

LAST_CHECKPOINT_FILE = "optimizer.json"
SECONDS_FILE = "seconds.json"
REPORTS_FILE = "reports.json"


class Checkpoints:
    """The latest epoch of an unfinished step, in the store under `key@epoch`."""

    def __init__(self, store: Store, key: str) -> None:
        self.store, self.key, self.started = store, key, time.perf_counter()
        self.said: list[Report] = []

    @property
    def last(self) -> Report | None:
        """The step's latest report, of an earlier run or this one."""
        return self.said[-1] if self.said else None

    def load(self) -> tuple[int, dict[str, bytes]] | None:
        for epoch in sorted(self._epochs(), reverse=True):
            key = f"{self.key}@{epoch}"
            files = {name: self.store.read(key, name) for name in self.store.names(key)}
            whole = {name: data for name, data in files.items() if data is not None}
            if LAST_CHECKPOINT_FILE in whole and len(whole) == len(files):
                before = json.loads(whole.pop(SECONDS_FILE))
                self.started = time.perf_counter() - before
                self.said = [Report(**said) for said in json.loads(whole.pop(REPORTS_FILE))]
                return epoch, whole
        return None

    def reports(self) -> list[Report]:
        """What the step said up to its checkpoint: who goes on from there says it again."""
        self.load()
        return list(self.said)

    def save(self, report: Report, files: dict[str, bytes]) -> None:
        """Write the new one whole before the old one goes."""
        older, epoch = self._epochs(), report.epoch
        self.said = [said for said in self.said if said.epoch < epoch] + [report]
        seconds = json.dumps(self.seconds()).encode()
        info = {SECONDS_FILE: seconds, REPORTS_FILE: _reports(self.said)}
        self.store.write(f"{self.key}@{epoch}", {**info, **files})
        for old in older:
            if old < epoch:
                self.store.drop(f"{self.key}@{old}")

    def seconds(self) -> float:
        """What the step took so far, in those that went before too."""
        return time.perf_counter() - self.started

    def clear(self) -> None:
        for epoch in self._epochs():
            self.store.drop(f"{self.key}@{epoch}")

    def _epochs(self) -> list[int]:
        return [int(key.rsplit("@", 1)[1]) for key in self.store.starting_with(f"{self.key}@")]


def _reports(said: list[Report]) -> bytes:
    return json.dumps([vars(report) for report in said]).encode()
