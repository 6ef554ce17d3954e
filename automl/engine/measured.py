"""Files measured with their quality: on data of the user's, or beside the front of a search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from automl import noise, pareto
from automl.data import dataset, detect, detect_table, known_columns, table_file, tokenizer
from automl.data.arrays import Array
from automl.data.checks import check_rows
from automl.data.dataset import Dataset
from automl.data.detected import Wanted
from automl.data.raw_dataset import RawDataset
from automl.data.table import Table
from automl.data.text import Text
from automl.data.text_files import ending
from automl.engine.searches import Search
from automl.engine.study_space import check_data
from automl.engine.wishes import OwnData
from automl.errors import UserError
from automl.measure.file_times import other_batch
from automl.measure.latency import Reference
from automl.measure.machine import kind_of, machine
from automl.measure.measurement import Measurement, metrics, with_times
from automl.measure.rows_of_file import TargetRows, answers, fitting
from automl.measure.runtimes_here import runtimes_here
from automl.measure.whole_file import loaded, whole
from automl.pareto import Axis, Directions
from automl.runtimes.metadata import metadata
from automl.runtimes.onnx import (
    ONE_THREAD,
    Session,
    leaves_open,
    row_shape,
    session,
    text_length,
)
from automl.space.runtime import TIMES
from automl.study import selection
from automl.study.record import TrialRecord

SUM_TOLERANCE = 1e-3
"""The sum of a row's probabilities is as near to 1."""


@dataclass(frozen=True)
class MeasuredFiles:
    """Files with their figures on the same rows, of which `rows` tells in words.

    Beside a search these are its validation rows; `front` are its members, best in the first
    objective first, and `beaten_by` names the member, if any, that is nowhere worse and somewhere
    better by more than chance explains.
    """

    rows: str
    num_rows: int
    files: Mapping[str, Measurement]
    objectives: tuple[str, ...] = ()
    front: Sequence[TrialRecord] = ()
    beaten_by: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The object that `automl measure --json` prints."""
        files = [
            {"file": name, "measurement": own.figures, "uncertainty": own.uncertainty}
            for name, own in self.files.items()
        ]
        told = {"rows": self.rows, "num_rows": self.num_rows, "files": files}
        if self.beaten_by is None:
            return {**told, "notes": list(self.notes)}
        front = [
            {"trial_id": one.trial_id, "measurement": one.values, "uncertainty": one.uncertainty}
            for one in self.front
        ]
        beaten = dict(self.beaten_by)
        return {**told, "front": front, "beaten_by": beaten, "notes": list(self.notes)}


def on_data(files: Sequence[Path], data: str, wishes: OwnData) -> MeasuredFiles:
    """Files with their quality on every row of some data.

    Raises UserError on data that cannot be read, and where rows, columns or classes do not fit.
    """
    read = dict[Dataset, RawDataset]()
    measured = dict[str, Measurement]()
    notes = dict[str, None]()
    beside: dict[str, Reference] | None = None
    for path in files:
        source = _taken_by(path, data, wishes)
        if source not in read:
            read[source] = source.load()
            check_rows(data, read[source])
        raw = read[source]
        left_out = source.drop if isinstance(source, Table) else ()
        own = fitting(
            path,
            TargetRows(data, raw.inputs, raw.targets, raw.classes, raw.columns, left_out),
        )
        figures, told = _measured(path, own, beside)
        if beside is None:
            times = figures.latency_ms, figures.load_ms
            reference = Reference(whole(path), *times, rows=own.inputs[:1])
            beside = {ONE_THREAD.name: reference}
        measured[str(path)] = figures
        notes |= dict.fromkeys(told)
    notes |= dict.fromkeys(note for raw in read.values() for note in raw.notes)
    notes |= dict.fromkeys(f"texts are read by {by}" for one in read if (by := _tokenizer(one)))
    return MeasuredFiles(f"all rows of {data}", len(own.targets), measured, notes=tuple(notes))


def beside_front(files: Sequence[Path], search: Search) -> MeasuredFiles:
    """Files beside the front of a search, on the validation rows that its models were measured
    on, and timed in turn with its reference.

    Raises UserError where the search has no model, its data has changed, or a file does not fit.
    """
    study = search.study
    front = study.front().members
    if not front:
        raise UserError(selection.nothing_to_take(study))
    check_data(study)
    config = search.config(front[0])
    data = dataset.load(config.dataset, config.seed, search.home.cache)
    held, info = data.validation, data.info
    rows = TargetRows(
        str(config.dataset), held.inputs, held.targets, tuple(info.classes), info.columns
    )
    measured = dict[str, Measurement]()
    here = runtimes_here(study.timed_beside)
    notes = [*here.notes]
    for path in files:
        measured[str(path)], told = _measured(path, fitting(path, rows), here.beside)
        notes += told
    settings = study.settings
    first, objectives = settings.objectives[0], settings.objectives
    sign = -settings.directions.sign(first)
    ordered = sorted(front, key=lambda record: sign * record.values[first])
    compared = {n: axis for n, axis in settings.axes.items() if here.has_first or n not in TIMES}
    beaten = {name: _beaten_by(own, ordered, compared) for name, own in measured.items()}
    words = f"the validation rows of {rows.source}, as the front's"
    notes += _other_machine(ordered)
    return MeasuredFiles(
        words, len(rows.targets), measured, objectives, ordered, beaten, tuple(notes)
    )


def _measured(
    path: Path, rows: TargetRows, beside: Mapping[str, Reference] | None
) -> tuple[Measurement, list[str]]:
    """The figures of a file on rows that fit it, and sentences on how they were taken."""
    file = whole(path)
    own = session(file)
    given = answers(path, rows, own)
    are_shares = _are_shares(own, given, rows)
    if are_shares:
        given = np.log(np.maximum(given, np.finfo(np.float32).tiny))
    figures = with_times(file, metrics(given, rows.targets), rows.inputs[:1], beside)
    told = [*rows.notes, *["answers are read as probabilities"] * are_shares]
    for batch in {one.runtime.batch for one in (beside or {}).values()} or {ONE_THREAD.batch}:
        told += other_batch(own, batch)
    return figures, [f"{path}: {sentence}" for sentence in told]


def _are_shares(own: Session, given: Array, rows: TargetRows) -> bool:
    """Tell if the answers of a file from elsewhere are probabilities, where ours are logits."""
    if not rows.classes or metadata(own).classes:
        return False
    sums = given.sum(1, dtype=np.float64)
    return bool((given >= 0).all() and (abs(sums - 1) < SUM_TOLERANCE).all())


def _beaten_by(own: Measurement, front: Sequence[TrialRecord], compared: Mapping[str, Axis]) -> str:
    """The member of a front that dominates a file in the objectives that it has; "" where none
    does. How long a file's training took is not known."""
    wanted = own.figures.keys() - {"train_seconds"}
    known = {name: axis for name, axis in compared.items() if name in wanted}
    return next((record.trial_id for record in front if _beats(record, own, known)), "")


def _beats(record: TrialRecord, own: Measurement, known: Mapping[str, Axis]) -> bool:
    """True of a member that is nowhere worse, and somewhere better by more than chance explains."""
    errors, figures = (record.uncertainty, own.uncertainty), own.figures
    return pareto.covers(record.values, figures, [*known], Directions(known)) and any(
        abs(record.values[name] - figures[name])
        > noise.tolerance(name, *(known_errors.get(name, 0.0) for known_errors in errors))
        for name in known
    )


def _other_machine(front: Sequence[TrialRecord]) -> tuple[str, ...]:
    """A sentence where times of the front were taken on another kind of machine than this."""
    here = kind_of(machine())
    kinds = {r.measurement.machine for r in front if r.measurement and r.measurement.machine}
    return tuple(
        f"times of the front were taken on {kind}, and here is {here}: the two do not compare"
        for kind in sorted(kinds - {here})
    )


def _taken_by(path: Path, data: str, wishes: OwnData) -> Dataset:
    """The dataset at a path, read as a file takes its rows: pictures of its size, texts of its
    length and by the tokenizer that lies beside it, of a table its columns."""
    session = loaded(path)
    wanted = Wanted(wishes.target or "", wishes.task or "", _picture_side(session))
    kind = ending(Path(data))
    if kind in (*table_file.ENDINGS, detect_table.JSON_LINES):
        wanted = replace(wanted, task=wanted.task or _task(session))
    columns = metadata(session).columns
    if columns and kind in table_file.ENDINGS:
        return known_columns.table_with(data, wanted, columns)
    found = detect.detect(data, wanted).dataset
    if isinstance(found, Table) and found.drop:
        return _with_all(found, math.prod(row_shape(session)))
    if isinstance(found, Text):
        beside = path.parent / tokenizer.FILE
        by = str(beside) if beside.is_file() else ""
        return replace(found, length=text_length(session) or found.length, tokenizer=by)
    return found


def _task(session: Session) -> str:
    """The task of a file on a table, whose targets are classes or single numbers."""
    output = session.get_outputs()[0]
    is_flat = len(output.shape) == 1 and output.type != "tensor(int64)"
    return "regression" if is_flat or output.shape[1:] == [1] else "classification"


def _with_all(found: Table, count: int) -> Table:
    """A table without columns left out where it has as many as a file takes."""
    others = {*table_file.read(found.path).columns} - {found.target}
    return replace(found, drop=()) if len(others) == count else found


def _tokenizer(source: Dataset) -> str:
    """The path of the tokenizer that makes ids of texts; "" where none does."""
    return source.tokenizer if isinstance(source, Text) else ""


def _picture_side(session: Session) -> int:
    """The side of the square pictures that a file takes, with their channels first or last; the
    usual one where it takes none."""
    shape = row_shape(session)
    pairs = () if len(shape) != 3 or leaves_open(session) else (shape[-2:], shape[:2])
    return next((side for side, other in pairs if side == other), Wanted().picture_side)
