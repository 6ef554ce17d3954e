"""A search as it is kept: its trials, refits and settings, in Optuna's storage."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from automl.config import encode
from automl.errors import UserError
from automl.loading import uncollected
from automl.measure.latency import Reference, references
from automl.retry import patient
from automl.space.runtime import ONNX, own_formats
from automl.study import storage, stored_record
from automl.study.layout import SCHEMA_VERSION, settings_of
from automl.study.overview import Overview
from automl.study.record import Settings, TrialRecord
from automl.trial.result import Status

STATES = {
    Status.COMPLETE: TrialState.COMPLETE,
    Status.STOPPED: TrialState.PRUNED,
    Status.REJECTED: TrialState.PRUNED,
    Status.FAILED: TrialState.FAIL,
}


class Study(Overview):
    """A search in a folder of its own, beside `space.py` and `reference.onnx`.

    Raises EarlierVersion when the search is stored as an earlier version did, and UserError when
    what is stored cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        self.remember()
        self.settings = settings_of(self._study.user_attrs, self.name)

    def remember(self) -> None:
        """Keep all trials in memory, as at first."""
        self._open(is_bare=False)

    def forget(self) -> None:
        """Keep no trial in memory while a search runs; who asks for some reads the disk anew."""
        self._open(is_bare=True)

    def _open(self, *, is_bare: bool) -> None:
        self._stored, self._is_bare = storage.load(self.folder, is_bare=is_bare), is_bare
        self._study = self._stored.study
        self._read: list[tuple[FrozenTrial, TrialRecord]] = []
        """The trials as they were last read, and what was made of each."""

    @property
    def reference(self) -> bytes:
        return _reference(self.folder, ONNX).read_bytes()

    @property
    def timed_beside(self) -> dict[str, Reference]:
        """The reference as what every other file is timed in turn with, on each runtime."""
        settings = self.settings
        figures = {"latency_ms": settings.reference_latency_ms, **settings.reference}
        formats = (ONNX, *own_formats(settings.runtimes))
        files = {one: _reference(self.folder, one).read_bytes() for one in formats}
        return references(files, figures, settings.by_name)

    def refits(self) -> list[TrialRecord]:
        return stored_record.refits(self._study.user_attrs)

    def num_screened(self) -> int:
        return sum(len(record.drawing.screened) for record in self.records())

    @uncollected()
    def records(self) -> list[TrialRecord]:
        if self._is_bare:
            return Study(self.folder).records()
        trials = self._study.get_trials(deepcopy=False)
        # Optuna puts another object in the place of a trial that changes.
        self._read = [
            before
            if before is not None and before[0] is trial
            else (trial, stored_record.read(trial))
            for trial, before in zip_longest(trials, self._read)
        ]
        return [record for _, record in self._read]

    def start(self, record: TrialRecord) -> None:
        """Write a running trial, the next by number."""
        running = create_trial(
            state=TrialState.RUNNING,
            params=dict(record.params),
            distributions=record.distributions,
            user_attrs=stored_record.attributes(record),
        )
        num_tries = 0

        @patient(storage.is_passing)
        def add() -> None:
            nonlocal num_tries
            num_tries += 1
            # What failed may have been written all the same.
            if num_tries == 1 or len(self._study.get_trials(False)) == record.id.number:
                self._study.add_trial(running)

        add()

    @patient(storage.is_passing)
    def update(self, record: TrialRecord) -> None:
        """Write what has changed of a trial since its start, all at once."""
        trial_id = self._stored.trial_id(record.id.number)
        if record.measurement is not None and self.settings.limits:
            beyond = [limit.excess(record.values) for limit in self.settings.limits]
            self._stored.set_violations(trial_id, beyond)
        course = stored_record.course(record)
        self._stored.storage.set_trial_user_attr(trial_id, stored_record.COURSE, course)

    def end(self, record: TrialRecord) -> None:
        """Write how a trial ended."""
        self.update(record)
        self._tell(record)

    def write_refit(self, record: TrialRecord) -> None:
        """Write a refit, running or ended."""
        self.set_attribute(*stored_record.refit(record))

    def tell_ended(self) -> None:
        """Tell Optuna of trials whose end was written just before a crash."""
        for trial in self._study.get_trials(deepcopy=False):
            record = stored_record.read(trial)
            if record.result is not None and not trial.state.is_finished():
                self._tell(record)

    @patient(storage.is_passing)
    def _tell(self, record: TrialRecord) -> None:
        assert record.result is not None
        values = None
        if record.measurement is not None:
            values = [record.values[name] for name in self.settings.objectives]
        state = STATES[record.result.status]
        self._study.tell(record.id.number, values, state=state, skip_if_finished=True)

    @patient(storage.is_passing)
    def attribute(self, name: str, default: Any = None) -> Any:  # type: ignore[explicit-any]
        return self._study.user_attrs.get(name, default)

    @patient(storage.is_passing)
    def set_attribute(self, name: str, value: object) -> None:
        self._study.set_user_attr(name, value)


def create(
    folder: Path,
    settings: Settings,
    space_text: str,
    reference: Mapping[str, bytes],
    earlier: Sequence[dict[str, object]] = (),
    database: str | None = None,
) -> Study:
    """Make a search, in a database where one is named. Its folder appears whole or not at all.

    `reference` holds the files of its reference by format.
    Raises UserError when the folder is there already.
    """
    new = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    (new / "space.py").write_text(space_text, encoding="utf-8")
    for format, file in reference.items():
        _reference(new, format).write_bytes(file)
    goals = {name: settings.directions[name] for name in settings.objectives}
    stored = storage.create(new, folder.name, goals, database)
    stored.study.set_user_attr("settings", encode(settings))
    stored.study.set_user_attr("schema_version", SCHEMA_VERSION)
    stored.study.set_user_attr("earlier", list(earlier))
    try:
        new.rename(folder)
    except OSError as error:
        stored.delete()
        shutil.rmtree(new)
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise taken(folder) from None
        raise
    return Study(folder)


def _reference(folder: Path, format: str) -> Path:
    return folder / f"reference.{format or 'onnx'}"


def taken(folder: Path) -> UserError:
    """The error of a new search whose folder is there already: another search, or its remains."""
    if not (folder / "space.py").exists():
        return UserError(
            f"{folder} is in the way of a search named {folder.name!r}, and holds none: it has no "
            "space.py; remove it, or choose another --name"
        )
    return UserError(
        f"a search named {folder.name!r} exists already; choose another --name, "
        f"or continue that one: automl resume {folder.name}"
    )
