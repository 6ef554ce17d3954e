"""The storage of a search's trials: a journal in its folder, or a database that it names."""

from __future__ import annotations

import functools
import json
import uuid
import warnings
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from automl.errors import UserError
from automl.loading import uncollected
from automl.study.layout import DATABASE, JOURNAL, StudyGone, drop_half_line, spoiled
from automl.study.optuna_patches import share_distributions

share_distributions()
optuna.logging.set_verbosity(optuna.logging.WARNING)

CONSTRAINTS = "constraints"
"""Optuna's attribute of a trial for how far it is beyond each constraint; none is above 0."""
HELD = ("params", "distributions", "user_attrs")
"""What Optuna's journal says of a new trial beside its state."""
SECONDS_TO_CONNECT = 10
TIMEOUTS = {"sqlite": "timeout", "postgresql": "connect_timeout", "mysql": "connect_timeout"}
"""The drivers' names for the seconds after which a database that does not answer is given up."""


@dataclass(frozen=True)
class Stored:
    """Optuna's study of a search, and the storage that it is in."""

    study: optuna.Study
    storage: BaseStorage

    @cached_property
    def study_id(self) -> int:
        """The storage's own id of the study."""
        return self.storage.get_study_id_from_name(self.study.study_name)

    def trial_id(self, number: int) -> int:
        """The storage's own id of a trial."""
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)

    def set_violations(self, trial_id: int, violations: Sequence[float]) -> None:
        """Write how far a trial is beyond each constraint, for those who open it in Optuna."""
        self.storage.set_trial_system_attr(trial_id, CONSTRAINTS, list(violations))

    def delete(self) -> None:
        """Take the study out of its database; a journal goes with its folder."""
        if not isinstance(self.storage, JournalStorage):
            optuna.delete_study(study_name=self.study.study_name, storage=self.storage)


def create(folder: Path, name: str, goals: Mapping[str, str], url: str | None = None) -> Stored:
    """Make a study, in its folder or in a database, which the folder then names.

    `goals` are the objectives, each with "max" or "min".
    """
    if url is not None:
        # Homes may share a database, and the names of searches are each home's own.
        name = f"{name}-{uuid.uuid4().hex[:8]}"
        file = folder / DATABASE
        file.touch(mode=0o600)  # The URL may hold a password.
        file.write_text(json.dumps({"url": url, "study": name}))
    storage = _journal(folder) if url is None else database(url)
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        directions=["maximize" if goal == "max" else "minimize" for goal in goals.values()],
    )
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        study.set_metric_names(list(goals))
    return Stored(study, storage)


@uncollected()
def load(folder: Path, *, is_bare: bool = False) -> Stored:
    """The study of a folder. Raises UserError when its database does not answer, and StudyGone when
    that, or the journal, has it no more.

    Of a journal's trials this process has in memory, if `is_bare`, nothing but their states.
    """
    file = folder / DATABASE
    if file.exists():
        named = json.loads(file.read_text())
        _check_file(named["url"])
        storage, name = database(named["url"]), named["study"]
    else:
        if not (folder / JOURNAL).exists():
            raise StudyGone(folder)
        storage = _journal(folder, BareJournal if is_bare else JournalFileBackend)
        name = next((study.study_name for study in storage.get_all_studies()), "")
    try:
        return Stored(optuna.load_study(study_name=name, storage=storage), storage)
    except KeyError:
        raise StudyGone(folder) from None


def database_of(folder: Path) -> str | None:
    """The URL of the database that holds a search's trials; None where a journal does."""
    file = folder / DATABASE
    return str(json.loads(file.read_text())["url"]) if file.exists() else None


def is_passing(error: BaseException) -> bool:
    """Tell whether a database may answer again by itself."""
    return isinstance(error, optuna.exceptions.StorageInternalError)


def absolute(url: str) -> str:
    """A database's URL that means the same wherever the search is opened.

    Raises UserError when the text is no URL, or names no file.
    """
    import sqlalchemy

    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError:
        raise UserError(
            f"--study-storage {url} is no database's URL; "
            "write e.g. postgresql://USER@HOST/DATABASE or sqlite:///FILE"
        ) from None
    if parsed.get_backend_name() == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise UserError(
                f"--study-storage {url} names no file; write e.g. sqlite:////shared/studies.db"
            )
        parsed = parsed.set(database=str(Path(str(parsed.database)).absolute()))
    return parsed.render_as_string(hide_password=False)


@functools.cache
def database(url: str) -> BaseStorage:
    """A database by its URL, its connections shared by all searches of this process.

    Raises UserError when it cannot be used.
    """
    import sqlalchemy

    parsed = sqlalchemy.make_url(url)
    timeout = TIMEOUTS.get(parsed.get_backend_name())
    limits = {"connect_args": {timeout: SECONDS_TO_CONNECT}} if timeout else {}
    try:
        # A connection that was lost since it was last used is made anew.
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True, **limits})
    except ImportError:
        raise UserError(
            f"the driver for --study-storage {parsed} is not installed; "
            "for PostgreSQL: pip install 'frontier-automl[postgresql]'"
        ) from None
    except (sqlalchemy.exc.SQLAlchemyError, RuntimeError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise UserError(f"the database --study-storage {parsed} cannot be used: {reason}") from None


def _check_file(url: str) -> None:
    """Raise UserError where a database's file is away: else it would be made anew, and empty."""
    import sqlalchemy

    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).exists():
        raise UserError(
            f"the database --study-storage {parsed} cannot be used: there is no such file"
        )


def mend(folder: Path) -> None:
    """Drop the journal's lock, which a crash has left: it costs Optuna half a minute.

    Only the run that holds the search may do so, while nobody writes.
    """
    (folder / f"{JOURNAL}.lock").unlink(missing_ok=True)


class MendingLock(JournalFileSymlinkLock):
    """The lock under which a journal is written, here behind a whole line: Optuna reads no line
    that lacks its end, but would write on behind it, and lose what is written."""

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self.journal = journal

    def acquire(self) -> bool:
        is_held = super().acquire()
        try:
            drop_half_line(self.journal)
        except BaseException:
            self.release()
            raise
        return is_held


class BareJournal(JournalFileBackend):
    """A journal that is written whole, and read without what its trials hold: a search that runs
    knows that already, and Optuna would keep several kilobytes of each trial more."""

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any]]:  # type: ignore[explicit-any]
        for log in super().read_logs(log_number_from):
            bare = {name: value for name, value in log.items() if name not in HELD}
            if "trial_id" in log and "user_attr" in log:
                bare["user_attr"] = dict.fromkeys(log["user_attr"])
            yield bare


def _journal(folder: Path, kind: type[JournalFileBackend] = JournalFileBackend) -> JournalStorage:
    file = folder / JOURNAL
    try:
        return JournalStorage(kind(str(file), MendingLock(file)))
    except ValueError:
        raise spoiled(folder) from None
