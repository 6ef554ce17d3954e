"""A search at a glance: the figures of its trials, kept beside its journal and read on from there.

A journal of 10,000 trials takes seconds to be read, most of them for what no list and no front
shows. What these show is kept in a file, with the place in the journal up to which it holds:
from there the journal is read, whether its search runs, has ended, or was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from automl.config import decode
from automl.measure.measurement import Measurement
from automl.space.domains import Params, ParamValue
from automl.study import stored_record
from automl.study.layout import DATABASE, JOURNAL, StudyGone, settings_of, spoiled
from automl.study.overview import Overview
from automl.study.record import TrialRecord
from automl.study.stored_record import Json
from automl.study.trial_id import TrialId
from automl.trial.result import TrialResult

if TYPE_CHECKING:
    from automl.study.optuna_patches import JournalEntry

KEPT = "glance.json"
"""The file beside the journal."""
KEEP_FROM_BYTES = 1_000_000
"""So much of a journal is read in little time: only of more the file is written anew."""
SHOWN = ("status", "reason", "parent_quality", "seconds", "waited_seconds", "shortened")
"""The parts of a result, beside its measurement, that are kept where they are not empty."""
FORM = [2, *SHOWN, *(own.name for own in fields(Measurement))]
"""The form of what is kept; a file of another form is not read."""


def of(folder: Path) -> Overview:
    """An overview of the search of a folder, in as little time as can be."""
    if not (folder / DATABASE).exists():
        return Glance(folder)
    from automl.study.study import Study

    return Study(folder)


def keep(folder: Path) -> None:
    """Have a search's figures kept as they are now, for those who look at it next."""
    if not (folder / DATABASE).exists():
        Glance(folder)


class Glance(Overview):
    """A search of which nothing is known but what overviews tell; it cannot be changed.

    Its records have no distributions, no course and of their draw nothing. Raises EarlierVersion
    and UserError as `Study` does.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        if not (folder / JOURNAL).exists():
            raise StudyGone(folder)
        with (folder / JOURNAL).open("rb") as journal:
            first = journal.readline().decode()
            if not first:
                raise StudyGone(folder)
            self._kept = _read(folder, first) or Kept(first)
            journal.seek(self._kept.num_bytes)
            written = journal.read()
        new = written[: written.rfind(b"\n") + 1]  # Half a line may be in the making.
        if new:
            from automl.study.optuna_patches import journal_entry

            for line in new.splitlines():
                try:
                    entry = journal_entry(line)
                except ValueError:
                    raise spoiled(folder) from None
                self._take(entry)
            self._kept.num_bytes += len(new)
        self.settings = settings_of(self._kept.attributes, self.name)
        if len(new) > KEEP_FROM_BYTES:
            _write(folder, self._kept)

    def records(self) -> list[TrialRecord]:
        return self._records

    def refits(self) -> list[TrialRecord]:
        return stored_record.refits(self._kept.attributes)

    def attribute(self, name: str, default: Any = None) -> Any:  # type: ignore[explicit-any]
        return self._kept.attributes.get(name, default)

    def num_screened(self) -> int:
        return self._kept.num_screened

    @cached_property
    def _records(self) -> list[TrialRecord]:
        return [_record(n, Trial(*kept)) for n, kept in enumerate(self._kept.trials)]

    def _take(self, entry: JournalEntry) -> None:
        """Take in an attribute of the study, a new trial, or a trial's course."""
        if entry.params is not None:
            if not self._kept.trials:
                settings_of(self._kept.attributes, self.name)  # Another version's are not read.
            self._kept.trials.append(Trial(json.dumps(entry.params)))
            drawing = entry.attributes[stored_record.DRAWING]
            self._kept.num_screened += len(drawing["screened"])
        elif entry.trial is None:
            self._kept.attributes.update(entry.attributes)
        elif result := entry.attributes.get(stored_record.COURSE, {}).get(stored_record.RESULT):
            params, *_ = self._kept.trials[entry.trial]
            self._kept.trials[entry.trial] = _ended(params, decode(result))


class Trial(NamedTuple):
    """The parameters of a trial, as the text of their JSON, and what is kept of its end: None
    before that, and the values of its measurement, if it has one."""

    params: str
    shown: Json | None = None
    measured: Sequence[object] | None = None


class ReadParams(Mapping[str, ParamValue]):
    """Parameters that are read from their text when someone asks: of few trials someone does."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __getitem__(self, path: str) -> ParamValue:
        return self._known[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    @cached_property
    def _known(self) -> Params:
        known: Params = json.loads(self._text)
        return known


@dataclass
class Kept:
    """The figures of a journal that begins with the line `first`, up to so many bytes of it."""

    first: str
    num_bytes: int = 0
    attributes: dict[str, object] = field(default_factory=dict)
    num_screened: int = 0
    trials: list[Trial] = field(default_factory=list)


def _read(folder: Path, first: str) -> Kept | None:
    """The figures that were kept of the journal that begins with this line."""
    try:
        form, known = json.loads((folder / KEPT).read_text())
    except (OSError, ValueError):
        return None
    is_of_this = form == FORM and known["first"] == first
    kept = Kept(**known) if is_of_this else None
    return kept if kept and kept.num_bytes <= (folder / JOURNAL).stat().st_size else None


def _write(folder: Path, kept: Kept) -> None:
    """Keep the figures for the next look. Who may only read the home goes without."""
    new = folder / f".{KEPT}.{os.getpid()}"
    with contextlib.suppress(OSError):
        new.write_text(json.dumps([FORM, vars(kept)], separators=(",", ":")))
        new.replace(folder / KEPT)


def _ended(params: str, result: TrialResult) -> Trial:
    """A trial that ended, as it is kept."""
    shown = {name: value for name in SHOWN if (value := getattr(result, name))}
    measured = result.measurement
    return Trial(params, shown, None if measured is None else [*vars(measured).values()])


def _record(number: int, trial: Trial) -> TrialRecord:
    own, params = TrialId(number), ReadParams(trial.params)
    if trial.shown is None:
        return TrialRecord(own, params, {})
    measured = None if trial.measured is None else Measurement(*trial.measured)  # type: ignore[arg-type]
    return TrialRecord(own, params, {}, result=TrialResult(**trial.shown, measurement=measured))
