"""Runs one cell of the zoo as a search would: what is checked at its start, then the trial."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

from automl.data import dataset as datasets
from automl.data.dataset import Data
from automl.errors import Rejected, UserError
from automl.measure.measurement import measure, timer
from automl.models.family import Network
from automl.models.imported import Imported
from automl.recipe import Report
from automl.space.exploring import validate
from automl.space.space import Space, TrialConfig
from automl.store import Store
from automl.trial.prefixes import PARENT_FILE, Prefixes
from automl.trial.reference_model import Largest, largest
from automl.trial.result import TrialResult
from automl.trial.trial import run
from zoo.data import dataset
from zoo.declared import Declared
from zoo.recipes import RECIPES


@dataclass(frozen=True)
class Ended:
    """The end of a cell: a result, or a refusal in words, or the text of what was raised.

    `start_notes` are what a search tells of the module before its first trial.
    """

    result: TrialResult | None = None
    reports: tuple[Report, ...] = ()
    refused: str = ""
    at_start: bool = False
    raised: str = ""
    start_notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A module under a recipe, with the store that all cells of the module share."""

    declared: Declared
    recipe: str
    folder: Path

    @property
    def config(self) -> TrialConfig:
        factory = self.declared.factory
        model = Imported(f"{factory.__module__}:{factory.__qualname__}")
        data = dataset(self.declared.data, self.folder)
        return TrialConfig(data, model, RECIPES[self.recipe])

    @property
    def store(self) -> Store:
        return Store(str(self.folder / f"store-{self.declared.name}"))

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def data(self) -> Data:
        return datasets.load(self.config.dataset, 0, self.cache)

    def network(self, steps: int) -> Network:
        """The network after so many steps, read from the store anew."""
        return Prefixes(self.config, self.store, "").network(steps, self.data())

    def file(self) -> bytes:
        """The file that the trial made."""
        return self._read(-1, "model.onnx")

    def parent(self) -> bytes:
        """The fp32 file that the compression is compared to."""
        return self._read(0, PARENT_FILE)

    def _read(self, step: int, name: str) -> bytes:
        prefixes = Prefixes(self.config, self.store, "")
        file = prefixes.store.read(prefixes.keys[step], name)
        assert file is not None, name
        return file


def end_of(cell: Cell) -> Ended:
    """Run a cell to its end, whatever that is."""
    try:
        start_notes = _start(cell).notes
    except UserError as error:
        return Ended(refused=str(error), at_start=True)
    except Exception as error:
        return Ended(raised=_words(error), at_start=True)
    try:
        reports, result = _trial(cell)
    except (UserError, Rejected) as error:
        return Ended(refused=str(error))
    except Exception as error:
        return Ended(raised=_words(error))
    refused = "" if result.is_complete else f"{result.reason}"
    return Ended(result, tuple(reports), refused, start_notes=start_notes)


def start_of(cell: Cell) -> Ended:
    """What a search does once before its first trial: its reference is exported and measured."""
    try:
        reference = _start(cell)
        file = reference.export()
        measure(file, reference.rows.inputs, reference.rows.targets)
    except UserError as error:
        return Ended(refused=str(error), at_start=True)
    except Exception as error:
        return Ended(raised=_words(error), at_start=True)
    return Ended()


def _start(cell: Cell) -> Largest:
    space = Space(cell.config)
    return largest(space, validate(space), cell.cache)


def _trial(cell: Cell) -> tuple[list[Report], TrialResult]:
    trial, reports = run(cell.config, cell.store, timer(), cell.cache), []
    while True:
        try:
            reports.append(next(trial))
        except StopIteration as end:
            return reports, end.value


def _words(error: BaseException) -> str:
    """What was raised, and the last place of ours that it came from."""
    places = [p for p in traceback.extract_tb(error.__traceback__) if "/automl/" in p.filename]
    where = f" [{Path(places[-1].filename).name} {places[-1].name}]" if places else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{where}"
