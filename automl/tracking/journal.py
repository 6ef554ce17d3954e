"""A journal of events on disk, a line of JSON each, until MLflow has them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from automl.study.layout import drop_half_line
from automl.tracking import events
from automl.tracking.events import Event

EVENTS, DELIVERED = "mlflow.jsonl", "mlflow.delivered"
BATCH_BYTES = 1_000_000


class Journal:
    """The events of a search, in the order in which they happened, and how far each tracking
    server has them. One process appends, another reads."""

    def __init__(self, folder: Path) -> None:
        self.path, self.delivered_path = folder / EVENTS, folder / DELIVERED

    def all(self) -> Iterator[Event]:
        offset, end = 0, -1
        while offset != end:
            end = offset
            found, offset = self.read(offset)
            yield from found

    def read(self, offset: int, until: int | None = None) -> tuple[list[Event], int]:
        """Some events from an offset on, and the offset behind them; at the end the same offset."""
        found: list[Event] = []
        with self.path.open("rb") as file:
            file.seek(start := offset)
            for line in file:
                if not line.endswith(b"\n") or offset == until or offset - start > BATCH_BYTES:
                    break
                offset += len(line)
                # A line that a crash of the machine has spoiled is lost, and nothing else.
                with contextlib.suppress(ValueError):
                    found.append(events.from_json(json.loads(line)))
        return found, offset

    def delivered(self, uri: str) -> int:
        """The offset up to which a tracking server has everything."""
        return min(self._known().get(uri, 0), self.path.stat().st_size)

    def _known(self) -> dict[str, int]:
        """The offset that each server is known to have, by its address."""
        try:
            known: dict[str, int] = json.loads(self.delivered_path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return known

    def num_undelivered(self) -> int:
        """The number of events that the tracking server, of several the last, does not have."""
        with self.path.open("rb") as file:
            file.seek(max(self._known().values(), default=0))
            return sum(line.endswith(b"\n") for line in file)

    def deliver(self, uri: str, offset: int) -> None:
        """Note that a server has everything up to an offset; of others nothing is remembered."""
        new = self.delivered_path.with_suffix(".new")
        new.write_text(json.dumps({uri: offset}))
        new.replace(self.delivered_path)


class Writer(Journal):
    """The journal as the process of the search appends to it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = self.path.open("ab", buffering=0)

    def append(self, event: Event) -> None:
        """Write an event, which outlives this process from then on."""
        drop_half_line(self.path)
        line = json.dumps(events.as_json(event), separators=(",", ":"))
        self.file.write(line.encode() + b"\n")

    def close(self) -> None:
        self.file.close()
