"""Searches that were made: found by name, looked at, and a model taken; no Ray."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl import user_code
from automl.engine import stop_request
from automl.engine.study_space import check_data, study_space
from automl.errors import UserError, unknown
from automl.home import Home
from automl.pareto import DIRECTIONS
from automl.space import own_metrics
from automl.space.sampling import WHOLE, rebuild
from automl.space.space import TrialConfig
from automl.study import glance, run_lock, selection
from automl.study.goal import Goal
from automl.study.layout import EarlierVersion, StudyGone
from automl.study.overview import Overview, member
from automl.study.record import TrialRecord
from automl.study.summary import Member, SearchSummary

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure

    from automl.engine.export_dir import Exported
    from automl.engine.export_figures import TestFigures
    from automl.explain.findings import Explanation
    from automl.study.study import Study
    from automl.tracking.registry import Shipped


@dataclass(frozen=True)
class Search:
    """A search that was made: look at its front, take a model.

    `interrupted` is True if its last run was ended by Ctrl-C or `automl stop`. `failed` is the
    reason why that run ended without a model, or was given up; "" otherwise.
    """

    study: Study
    home: Home
    interrupted: bool = False
    failed: str = ""

    def summary(self) -> SearchSummary:
        """The search in figures; `as_json` of that is what `automl front --json` prints."""
        return self.study.summary()

    def members(self) -> list[TrialRecord]:
        """The trials of the front, with all that is kept of each."""
        return self.study.front().members

    def front(self) -> DataFrame:
        """The front as a table: a row for each model, its figures first, then its parameters."""
        from pandas import DataFrame

        rows = [
            {"trial_id": model.trial_id, **model.measurement, **model.params}
            for model in self.summary().front
        ]
        return DataFrame(rows).set_index("trial_id") if rows else DataFrame()

    def best(
        self,
        figure: str | None = None,
        *,
        knee: bool = False,
        prefer: str | None = None,
        where: str | None = None,
        trial: str | int | None = None,
        runtime: str | None = None,
    ) -> Member:
        """The model of the front that is best in a figure, by default in the first objective.

        The wishes are those of `export`. Raises UserError when no model is as wished.
        """
        study, wish = self.study.on_runtime(runtime), {"prefer": prefer, "where": where}
        return member(selection.choose(study, trial=trial, best=figure, knee=knee, **wish))

    def plot(self, x: str = "size_bytes", y: str | None = None) -> Figure:
        """Every measured trial by two of its figures, `y` the first objective unless given.

        The plot is plotly's, and interactive. Raises UserError on an unknown figure.
        """
        from automl.tracking.pages import files

        return files.plot(self.study, x, y or self.study.settings.objectives[0])

    def _repr_html_(self) -> str:
        """The front as a notebook shows it: a table, and the plot of every trial."""
        from automl.engine import notebook_html

        return notebook_html.whole(self.study)

    def export(
        self,
        out: str | Path,
        *,
        best: str | None = None,
        knee: bool = False,
        prefer: str | None = None,
        where: str | None = None,
        trial: str | int | None = None,
        formats: Sequence[str] = (),
        opset: int | None = None,
        onnxruntime_web: Path | None = None,
        runtime: str | None = None,
    ) -> Exported:
        """Write one model of the front, measured on the test rows, into a folder.

        `formats` are those beside ONNX, `opset` the operators that the ONNX file may use,
        `onnxruntime_web` a copy of that package. In MLflow that model is the champion then. Raises
        UserError when no model is as wished, its file has changed or the gate refuses it now, one
        cannot be written so, or the folder holds other files or cannot be written.
        """
        from automl.engine import export_dir, taken_away
        from automl.export.formats import asked_for
        from automl.tracking import publish

        study = self.study.on_runtime(runtime)
        others = asked_for(formats)
        export_dir.check_folder(Path(out))
        record = selection.choose(
            study, trial=trial, best=best, knee=knee, prefer=prefer, where=where
        )
        check_data(self.study)
        file = self._file(record)
        config = self.config(record)
        wanted = taken_away.Wanted(file, others, opset, onnxruntime_web)
        taken = taken_away.taken(self.study.name, record, config, self.home, wanted)
        exported = export_dir.export(self.study, record, config, self.home, taken, Path(out))
        # A user who may only read the home can still take a model.
        with contextlib.suppress(OSError):
            self.study.set_attribute("exported", record.trial_id)
        if why := publish.mark_champion(self.study, record, self._with_row(file, config)):
            print(why, file=sys.stderr)
        return exported

    def explain(
        self,
        *,
        best: str | None = None,
        knee: bool = False,
        prefer: str | None = None,
        where: str | None = None,
        trial: str | int | None = None,
        runtime: str | None = None,
        html: str | Path | None = None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> Explanation:
        """Explain the search and one of its models, whose recipe is run again: by default the knee.

        The page goes to the search's run in MLflow, and to the file `html` where it is given;
        `say` gets a sentence at each step.
        """
        from automl.explain import explanation

        knee = knee or not (best or prefer or trial is not None)
        study = self.study.on_runtime(runtime)
        record = selection.choose(
            study, trial=trial, best=best, knee=knee, prefer=prefer, where=where
        )
        check_data(self.study)
        why = f"best in {best}" if best else f"preferred by {prefer}" if prefer else "as asked for"
        chosen = explanation.Chosen(
            record,
            "the knee of the front" if knee else why,
            self.config(record),
            study_space(self.study),
            self._origin(record) if record.id.is_refit else None,
        )
        file = None if html is None else Path(html)
        return explanation.explain_and_publish(self.study, chosen, self.home, file, say)

    def test_figures(self, record: TrialRecord) -> TestFigures:
        """A model's figures on the test rows, which the search has not seen."""
        from automl.engine import export_figures

        check_data(self.study)
        config, beside = self.config(record), export_figures.alone_here(self.study.settings)
        file, cache = self._file(record), self.home.cache
        return export_figures.test_figures(record, config, cache, file, beside)

    def shipped(self, record: TrialRecord) -> Shipped | None:
        """A model's file, with a row to try it with; None when file or data are gone."""
        try:
            return self._with_row(self._file(record), self.config(record))
        except UserError:
            return None

    def config(self, record: TrialRecord) -> TrialConfig:
        """The full trial config of a record."""
        params = {WHOLE: record.config} if record.config else record.params
        return rebuild(study_space(self.study), params)

    def _origin(self, refit: TrialRecord) -> TrialConfig:
        """The config of the trial of which this is the refit."""
        return self.config(self.study.records()[refit.id.number])

    def _with_row(self, file: bytes, config: TrialConfig) -> Shipped:
        """A file with the first row that its trial learned from, raw."""
        from automl.data import dataset
        from automl.tracking.registry import Shipped

        data = dataset.load(config.dataset, config.seed, self.home.cache)
        return Shipped(file, data.train.inputs[:1])

    def _file(self, record: TrialRecord) -> bytes:
        from automl.engine.trial_file import trial_file

        return trial_file(record, self.home)


def open_study(home: Home, name: str) -> Study:
    """A search by its name. Raises UserError when the home has none of that name."""
    from automl.study.study import Study

    study = Study(_folder(home, name))
    _know_metrics(study)
    return study


def overview(home: Home, name: str) -> Overview:
    """A search by its name, to be looked at alone: in far less time when it is large.

    Raises UserError when the home has none of that name.
    """
    found = glance.of(_folder(home, name))
    _know_metrics(found)
    return found


def _folder(home: Home, name: str) -> Path:
    known = home.studies()
    if name not in known:
        if not known:
            raise UserError(
                f"the home {home.path} has no search; start one: automl search digits, "
                "or point to another home with --home"
            )
        raise UserError(unknown("search", name, known))
    return home.study(name)


def _know_metrics(study: Overview) -> None:
    """Have the metrics known that the search's own space file defines, or imports to name."""
    is_told = all(name in DIRECTIONS for name in study.settings.objectives)
    try:
        Goal(study.attribute("options", {}).get("until"), study.settings)
    except UserError:
        is_told = False
    if not is_told or user_code.defines_below(study.space_text, own_metrics.OURS):
        study_space(study)


def open_studies(home: Home, say: Callable[[str], None] | None = None) -> Iterator[Study]:
    """Open the searches of a home, but for those of an earlier version.

    Where `say` is given it gets the reason why another cannot be opened, such as a database that
    is away; otherwise that raises UserError, unless its trials are gone for good.
    """
    from automl.study.study import Study

    for name in home.studies():
        try:
            study = Study(home.study(name))
        except EarlierVersion:
            continue
        except UserError as error:
            if say is not None:
                say(f"search {name!r} is left out: {error}")
            elif not isinstance(error, StudyGone):
                raise
            continue
        yield study


def stop(home: Home, name: str) -> bool:
    """Ask the live run of a search to end; False when there is none."""
    study = open_study(home, name)
    if not run_lock.is_held(study.folder):
        return False
    stop_request.file_in(study.folder).touch()
    return True
