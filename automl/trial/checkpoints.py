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
    """The latest epoch of an unfinished step, in the store under `key@epoch`.

    `past` are the step's reports so far, of earlier runs and this one.
    """

    def __init__(self, store: Store, key: str) -> None:
        self.store, self.key, self.started = store, key, time.perf_counter()
        self.past: list[Report] = []

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
                before = json.loads(whole.pop(SECONDS_FILE))
                self.started = time.perf_counter() - before
                self.past = decode_reports(whole.pop(REPORTS_FILE))
                return epoch, whole
        return None

    def reports(self) -> list[Report]:
        """The step's reports up to its checkpoint: whoever goes on from there repeats them."""
        self.load()
        return list(self.past)

    def save(self, report: Report, files: dict[str, bytes]) -> None:
        """Keep a new epoch; it is written whole before the one before goes."""
        older, epoch = self._epochs(), report.epoch
        self.past = [earlier for earlier in self.past if earlier.epoch < epoch] + [report]
        seconds = json.dumps(self.seconds()).encode()
        info = {SECONDS_FILE: seconds, REPORTS_FILE: encode_reports(self.past)}
        self.store.write(f"{self.key}@{epoch}", {**info, **files})
        for old in older:
            if old < epoch:
                self.store.drop(f"{self.key}@{old}")

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
