"""Searches that were made: found by name, looked at, and a model taken; no Ray."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl import source
from automl.config import UserError
from automl.home import Home
from automl.space import WHOLE, Space, TrialConfig, rebuild, unknown
from automl.store import Store
from automl.study import choose, lock
from automl.study.study import Study, TrialRecord

if TYPE_CHECKING:
    from automl.tracking.models import Shipped


@dataclass(frozen=True)
class Search:
    """A study that was searched: look at its front, take a model."""

    study: Study
    home: Home
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """The object that `automl front --json` prints."""
        return self.study.summary()

    def front(self) -> list[TrialRecord]:
        return self.study.front().members

    def export(
        self,
        out: str | Path,
        *,
        best: str | None = None,
        knee: bool = False,
        prefer: str | None = None,
        where: str | None = None,
        trial: str | None = None,
    ) -> dict[str, Any]:
        """Write one model of the front, measured on the test rows, into a folder; in MLflow it
        is the champion then."""
        from automl import take
        from automl.tracking import attach, models

        record = choose.choose(
            self.study, trial=trial, best=best, knee=knee, prefer=prefer, where=where
        )
        file = self._file(record)
        config, cache = self.config(record), self.home.cache
        exported = take.export(self.study, record, config, cache, file, Path(out))
        # Who may only read the home can still take a model.
        with contextlib.suppress(OSError):
            self.study.set_attribute("exported", record.trial_id)
        shipped = models.Shipped(file, self._rows(config))
        if why := attach.crown(self.study, record, shipped):
            print(why, file=sys.stderr)
        return exported

    def explain(
        self,
        *,
        best: str | None = None,
        knee: bool = False,
        prefer: str | None = None,
        where: str | None = None,
        trial: str | None = None,
        html: str | Path | None = None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> dict[str, Any]:
        """What the search found and why, and one of its models taken apart: by default the knee.

        The page goes to the search's run in MLflow, and to the file `html` where it is given;
        `say` gets a sentence at each step.
        """
        from automl import explain

        knee = knee or not (best or prefer or trial)
        record = choose.choose(
            self.study, trial=trial, best=best, knee=knee, prefer=prefer, where=where
        )
        why = f"best in {best}" if best else f"preferred by {prefer}" if prefer else "as asked for"
        chosen = explain.Chosen(
            record,
            "the knee of the front" if knee else why,
            self.config(record),
            study_space(self.study),
        )
        file = None if html is None else Path(html)
        return explain.published(self.study, chosen, self.home, file, say)

    def test_figures(self, record: TrialRecord) -> dict[str, Any]:
        """A model's figures on the test rows, which the search has not seen."""
        from automl import take

        return take.test_figures(self.config(record), self.home.cache, self._file(record))

    def shipped(self, record: TrialRecord) -> Shipped | None:
        """A model's file, with a row to try it with; None when file or data are gone."""
        from automl.tracking.models import Shipped

        try:
            return Shipped(self._file(record), self._rows(self.config(record)))
        except UserError:
            return None

    def config(self, record: TrialRecord) -> TrialConfig:
        """The full trial config of a record."""
        params = {WHOLE: record.config} if record.config else record.params
        return rebuild(study_space(self.study), params)

    def _rows(self, config: TrialConfig) -> Any:
        """The first row that trials learn from, raw."""
        from automl.data import dataset

        return dataset.load(config.dataset, config.seed, self.home.cache).train.inputs[:1]

    def _file(self, record: TrialRecord) -> bytes:
        assert record.result is not None
        file = Store(self.home.store).read(record.result.key, "model.onnx")
        if file is None:
            raise UserError(
                f"the file of trial {record.trial_id} is no longer in the store "
                f"{self.home.store}; run the search again to make it"
            )
        return file


def open_study(home: Home, name: str) -> Study:
    """A study by its name. Raises UserError when the home has none of that name."""
    known = home.studies()
    if name not in known:
        if not known:
            raise UserError(
                f"the home {home.path} has no study; start one: automl search digits, "
                "or point to another home with --home"
            )
        raise UserError(unknown("study", name, known))
    return Study(home.study(name))


def stop(home: Home, name: str) -> bool:
    """Ask the live run of a study to end; False when there is none."""
    study = open_study(home, name)
    if not lock.is_held(study.folder):
        return False
    stop_file(study).touch()
    return True


def state(study: Study) -> str:
    """running, finished, or interrupted (a run that ended before its budget)."""
    if lock.is_held(study.folder):
        return "running"
    return str(study.attribute("state", "interrupted"))


def status(study: Study) -> dict[str, Any]:
    """How far a study is, in one row."""
    summary = study.summary()
    return {
        "study": study.name,
        "state": state(study),
        "trials": {name: count for name, count in summary["trials"].items() if count},
        "unfinished": sum(record.result is None for record in study.records()),
        "front": len(summary["front"]),
        "hypervolume": round(summary["hypervolume"], 4),
        "seconds": round(summary["seconds"], 1),
    }


def study_space(study: Study) -> Space:
    """The space that a study searches, from its own copy of the file."""
    settings = study.settings
    return source.load(study.space_text, settings.fixed, settings.space_name, settings.folder)


def stop_file(study: Study) -> Path:
    """The file whose presence asks the live run to end."""
    return study.folder / "stop"
