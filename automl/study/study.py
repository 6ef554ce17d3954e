"""A search's truth: its trials and settings in Optuna's storage."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from automl import pareto
from automl.config import decode, encode
from automl.errors import UserError
from automl.retry import patient
from automl.study import storage
from automl.study.front import Front
from automl.study.record import REFIT, Settings, TrialRecord
from automl.trial.result import TrialResult

STATES = {
    "complete": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "rejected": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


STARTED = ("draw", "after", "parent", "screened", "turn")
"""What is written of a trial as it starts."""
COURSE = "course"
"""The attribute that holds what changes afterwards: turn, left, rungs, seconds, result."""


class Study:
    """A study in a folder of its own, beside `space.py` and `reference.onnx`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        self._study = storage.load(folder)
        self._storage = self._study._storage
        self.settings: Settings = decode(self._study.user_attrs["settings"])
        self._courses: dict[int, dict[str, Any]] = {}

    @property
    def space_text(self) -> str:
        return (self.folder / "space.py").read_text()

    @property
    def reference(self) -> bytes:
        return (self.folder / "reference.onnx").read_bytes()

    def refits(self) -> list[TrialRecord]:
        """The front's members as they were trained again, by number; not among the `records`."""
        found = []
        for name, about in self._study.user_attrs.items():
            if name.startswith("refit-"):
                result = None if about["result"] is None else decode(about["result"])
                number = REFIT + int(name.removeprefix("refit-"))
                params, config, ended = about["params"], about["config"], about.get("ended", 0.0)
                found.append(
                    TrialRecord(number, params, {}, result=result, config=config, ended=ended)
                )
        return sorted(found, key=lambda record: record.number)

    def records(self) -> list[TrialRecord]:
        return [_record(trial) for trial in self._study.get_trials(deepcopy=False)]

    def measured(self) -> list[TrialRecord]:
        """Every trial and refit that has figures."""
        known = [*self.records(), *self.refits()]
        return [record for record in known if record.result and record.result.measurement]

    def start(self, record: TrialRecord) -> None:
        """Write a running trial, the next by number."""
        running = create_trial(
            state=TrialState.RUNNING,
            params=record.params,
            distributions=record.distributions,
            user_attrs={n: getattr(record, n) for n in STARTED},
        )
        num_tries = 0

        @patient(storage.passes)
        def add() -> None:
            nonlocal num_tries
            num_tries += 1
            # What failed may have been written all the same.
            if num_tries == 1 or len(self.records()) == record.number:
                self._study.add_trial(running)

        add()

    @patient(storage.passes)
    def update(self, number: int, **fields: Any) -> None:
        """Write fields of a trial's record that change on its way, all of them at once."""
        study_id = self._study._study_id
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, number)
        if number not in self._courses:
            self._courses[number] = self._storage.get_trial(trial_id).user_attrs.get(COURSE, {})
        self._courses[number] = {**self._courses[number], **fields}
        self._storage.set_trial_user_attr(trial_id, COURSE, self._courses[number])

    def finish(self, number: int, result: TrialResult, left: int) -> None:
        """Write how a trial ended, as which in order to leave its place."""
        self.update(number, left=left, result=encode(result))
        del self._courses[number]
        self._tell(number, result)

    def tell_ended(self) -> None:
        """Tell Optuna of trials whose end was written just before a crash."""
        for trial in self._study.get_trials(deepcopy=False):
            record = _record(trial)
            if record.result is not None and not trial.state.is_finished():
                self._tell(record.number, record.result)

    @patient(storage.passes)
    def _tell(self, number: int, result: TrialResult) -> None:
        values = None
        if result.measurement is not None:
            values = [result.measurement.figures[name] for name in self.settings.objectives]
        self._study.tell(number, values, state=STATES[result.status], skip_if_finished=True)

    @patient(storage.passes)
    def attribute(self, name: str, default: Any = None) -> Any:
        return self._study.user_attrs.get(name, default)

    @patient(storage.passes)
    def set_attribute(self, name: str, value: Any) -> None:
        self._study.set_user_attr(name, value)

    def front(self, records: Iterable[TrialRecord] | None = None) -> Front:
        """The front of these records; of all, refits too, unless given."""
        known = [*self.records(), *self.refits()] if records is None else records
        return Front(self.settings, known)

    def hypervolumes(self) -> list[float]:
        """The front's after each ended trial, by number."""
        front, volumes = Front(self.settings), []
        for record in self.records():
            if record.result is not None:
                front.add(record)
                volumes.append(front.hypervolume)
        return volumes

    def summary(self) -> dict[str, Any]:
        """The object that `front --json` and `search --json` print."""
        records = self.records()
        refits = self.refits()
        front = self.front([*records, *refits])
        results = [record.result for record in records if record.result is not None]
        refitted = [record.result for record in refits if record.result is not None]
        counts = Counter(result.status for result in results)
        return {
            "search": self.name,
            "objectives": {n: pareto.DIRECTIONS[n] for n in self.settings.objectives},
            "reference_point": {n: axis.worst for n, axis in self.settings.axes.items()},
            "hypervolume": front.hypervolume,
            "trials": {
                **{status: counts[status] for status in STATES},
                "screened": sum(len(record.screened) for record in records),
            },
            "seconds": self.attribute("seconds", 0.0),
            "compute_seconds": sum(result.seconds for result in results + refitted),
            "slots": self.attribute("slots", 1),
            "front": [
                {
                    "trial_id": record.trial_id,
                    "params": record.params,
                    "measurement": record.values,
                    "seconds": record.result.seconds if record.result else 0.0,
                }
                for record in front.members
            ],
        }


def create(
    folder: Path,
    settings: Settings,
    space_text: str,
    reference: bytes,
    earlier: Sequence[dict[str, Any]] = (),
    database: str | None = None,
) -> Study:
    """A new study, in a database where one is named. Its folder appears whole or not at all."""
    new = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    (new / "space.py").write_text(space_text)
    (new / "reference.onnx").write_bytes(reference)
    goals = [pareto.DIRECTIONS[name] for name in settings.objectives]
    study = storage.create(new, folder.name, goals, database)
    study.set_user_attr("settings", encode(settings))
    study.set_user_attr("earlier", list(earlier))
    try:
        new.rename(folder)
    except OSError:
        storage.delete(study)
        shutil.rmtree(new)
        raise taken(folder.name) from None
    return Study(folder)


def taken(name: str) -> UserError:
    return UserError(
        f"a search named {name!r} exists already; choose another --name, "
        f"or continue that one: automl resume {name}"
    )


def _record(trial: FrozenTrial) -> TrialRecord:
    known = dict(trial.user_attrs)
    known |= known.pop(COURSE, {})
    result = known.pop("result", None)
    return TrialRecord(
        number=trial.number,
        params=trial.params,
        distributions=trial.distributions,
        result=None if result is None else decode(result),
        ended=0.0 if trial.datetime_complete is None else trial.datetime_complete.timestamp(),
        **known,
    )
