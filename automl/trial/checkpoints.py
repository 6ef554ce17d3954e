"""Checkpoints: the latest epoch of an unfinished step that is kept, in the store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from automl.recipe import Report
from automl.store import Store

LAST_CHECKPOINT_FILE = "optimizer.json"
SECONDS_FILE = "seconds.json"
REPORTS_FILE = "reports.json"

LARGE_BYTES = 4 * 2**20
"""A state from which on not every epoch's is kept."""

REST = 20
"""The seconds between two writes of a large state, in those that a write takes: a trial spends a
twentieth of its time on them, and loses at most so many seconds of work when it dies."""


class Checkpoints:
    """The latest epoch of an unfinished step that is kept, in the store under `key@epoch`.

    `past` are the step's reports so far, of earlier runs and this one; those of epochs after the
    one that is kept are made again by whoever goes on.
    """

    def __init__(self, store: Store, key: str) -> None:
        self.store, self.key, self.started = store, key, time.perf_counter()
        self.past: list[Report] = []
        self.next_write = 0.0

    @property
    def last(self) -> Report | None:
        """The step's latest report, of an earlier run or this one."""
        return self.past[-1] if self.past else None

    def load(self) -> tuple[int, dict[str, bytes]] | None:
        """The latest epoch whose files are all there, and the files by name; None of none."""
        for epoch in sorted(self._epochs(), reverse=True):
            key = f"{self.key}@{epoch}"
            files = {name: self.store.read(key, name) for name in self.store.names(key)}
            whole = {name: data for name, data in files.items() if data is not None}
            if LAST_CHECKPOINT_FILE in whole and len(whole) == len(files):
                seconds = json.loads(whole.pop(SECONDS_FILE))
                past = decode_reports(whole.pop(REPORTS_FILE))
                if self.last is None or self.last.epoch < epoch:
                    self.started, self.past = time.perf_counter() - seconds, past
                return epoch, whole
        return None

    def reports(self) -> list[Report]:
        """The step's reports up to its checkpoint: whoever goes on from there repeats them."""
        self.load()
        return list(self.past)

    def save(self, report: Report, make: Callable[[], dict[str, bytes]]) -> None:
        """Keep a new epoch, whose files `make` makes; it is written whole before the one before
        goes. Of large states only some are made and kept, see REST."""
        epoch, started = report.epoch, time.perf_counter()
        self.past = [earlier for earlier in self.past if earlier.epoch < epoch] + [report]
        if started < self.next_write:
            return
        older, files = self._epochs(), make()
        seconds = json.dumps(self.seconds()).encode()
        info = {SECONDS_FILE: seconds, REPORTS_FILE: encode_reports(self.past)}
        self.store.write(f"{self.key}@{epoch}", {**info, **files})
        for old in older:
            if old < epoch:
                self.store.drop(f"{self.key}@{old}")
        if sum(map(len, files.values())) >= LARGE_BYTES:
            ended = time.perf_counter()
            self.next_write = ended + REST * (ended - started)

    def seconds(self) -> float:
        """The seconds that the step took so far, in earlier runs too."""
        return time.perf_counter() - self.started

    def clear(self) -> None:
        for epoch in self._epochs():
            self.store.drop(f"{self.key}@{epoch}")

    def _epochs(self) -> list[int]:
        return [int(key.rsplit("@", 1)[1]) for key in self.store.starting_with(f"{self.key}@")]


def encode_reports(reports: list[Report]) -> bytes:
    """Reports as the JSON that the store keeps."""
    return json.dumps([vars(report) for report in reports]).encode()


def decode_reports(data: bytes) -> list[Report]:
    """The inverse of `encode_reports`."""
    return [Report(**report) for report in json.loads(data)]
