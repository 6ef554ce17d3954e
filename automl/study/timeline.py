"""The timeline of a search: which slot worked on which trial, and when."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from automl.study.layout import drop_half_line

FILE = "timeline.jsonl"


@dataclass(frozen=True)
class Stay:
    """The stay of a trial in a slot, until the trial ended or was paused.

    `slot` is the process that worked on it. Times are seconds since 1970: when the trial was
    handed out, when the slot began with it, and when it left. `seconds` are those of its own work;
    for what is missing, the trial waited. `stages` are the seconds of its steps and its export,
    `status` is how it ended, "paused" where it has not.
    """

    trial: str
    slot: str
    begun: float
    ended: float
    seconds: float
    handed_out: float = 0.0
    status: str = "paused"
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def is_refit(self) -> bool:
        return self.trial.endswith("-refit")


def add(folder: Path, stay: Stay) -> None:
    """Write a stay behind the others of a search's folder."""
    drop_half_line(folder / FILE)
    with (folder / FILE).open("a") as file:
        file.write(json.dumps(asdict(stay)) + "\n")


def read(folder: Path) -> list[Stay]:
    """The stays of a search, as they ended; what a crash or a full disk has spoiled is left out."""
    file = folder / FILE
    stays = []
    for line in file.read_bytes().split(b"\n")[:-1] if file.exists() else []:
        with contextlib.suppress(ValueError, TypeError):
            stays.append(Stay(**json.loads(line)))
    return stays


def in_lanes(stays: Sequence[Stay]) -> list[Stay]:
    """The stays by their slots' numbers, from "1" on: a process that began after another had
    ended for good has its number."""
    lanes: dict[str, int] = {}
    last = {stay.slot: stay.ended for stay in sorted(stays, key=lambda stay: stay.ended)}
    found = []
    for stay in sorted(stays, key=lambda stay: stay.begun):
        if stay.slot not in lanes:
            taken = {lane for slot, lane in lanes.items() if last[slot] > stay.begun}
            lanes[stay.slot] = next(n for n in range(1, len(last) + 1) if n not in taken)
        found.append(replace(stay, slot=str(lanes[stay.slot])))
    return found
