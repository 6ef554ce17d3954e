"""One trial: its recipe run through the store, exported, gated and handed to measuring."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import torch

from automl.data import dataset
from automl.data.dataset import Data, Split
from automl.errors import Rejected, UserError
from automl.export import onnx
from automl.export.claims import claims
from automl.measure import gate
from automl.measure.measurement import Measurement
from automl.models.deployed import Deployed, predict
from automl.models.family import Network, dump, larger, restore, untrained
from automl.recipe import Context, Report, Sibling
from automl.space.exploring import check
from automl.space.space import TrialConfig
from automl.space.store_keys import prefix_keys, sibling_config
from automl.store import Store
from automl.training import parallel
from automl.trial.checkpoints import (
    REPORTS_FILE,
    SECONDS_FILE,
    Checkpoints,
    _reports,
)
from automl.trial.result import Status, TrialResult

Measure = Callable[[bytes, Split], Measurement]
PARENT_FILE = "fp32.onnx"
MODEL_FILES = ("weights.safetensors", "spec.json")
QUALITY_FILE = "quality.json"
SENSITIVITY_FILE = "sensitivity.json"


def run(
    config: TrialConfig,
    store: Store,
    measure: Measure,
    cache: Path,
    space_source: str = "",
    device: str = "cpu",
    is_again: bool = False,
) -> Generator[Report, None, TrialResult]:
    """Run a trial; whoever drives the generator decides after each report whether to go on.

    `cache` is where datasets are kept. One that was run before (`is_again`) says first what it
    had said of the steps that are done: whoever was to hear it may have died. Under several ranks
    every rank runs this, and rank 0 alone writes and measures. Raises what a step raises; only
    `Rejected` becomes a result.
    """
    trial = _Trial(config, store, cache, space_source, device)
    try:
        model = yield from trial.recipe(is_again)
        measurement = trial.judge(model, measure) if parallel.rank() == 0 else None
    except Rejected as rejected:
        return trial.result(Status.REJECTED, reason=str(rejected))
    return trial.result(Status.COMPLETE, measurement=measurement)


class _Trial:
    def __init__(
        self, config: TrialConfig, store: Store, cache: Path, source: str, device: str
    ) -> None:
        self.config, self.store, self.device = config, store, device
        self.cache, self.source = cache, source
        self.data: Data = dataset.load(config.dataset, config.seed, cache)
        self.keys = prefix_keys(config, source)
        self.labels = [step.label for step in config.recipe]
        self.compressed = [step.compresses for step in config.recipe]
        self.parent: bytes | None = None
        self.stages: dict[str, float] = {}
        self.cost_seconds = self.reused_seconds = 0.0
        self.parent_quality: dict[str, float] = {}
        self.teachers: dict[str, float] = {}
        self.notes: list[str] = []
        self.sensitivity: dict[str, object] = {}
        self.reused_steps = 0

    def recipe(self, is_again: bool = False) -> Generator[Report, None, Network]:
        """Go on from the longest prefix in the store; put each new prefix there."""
        self._check()
        self.reused_steps = parallel.agree(self._longest_stored() if parallel.rank() == 0 else 0)
        done = self.reused_steps
        if is_again:
            yield from parallel.agree(self._said(done))
        model = self._load(self.keys[done - 1]) if done else self._untrained()
        if done:
            self.reused_seconds = json.loads(self._read(self.keys[done - 1], SECONDS_FILE))
            self.cost_seconds = self.reused_seconds
            self.parent_quality = json.loads(self._read(self.keys[done - 1], QUALITY_FILE))
            found = self.store.read(self.keys[done - 1], SENSITIVITY_FILE)
            self.sensitivity |= json.loads(found or b"{}")
        if any(self.compressed[:done]):
            self.parent = self._read(self._parent_key(), PARENT_FILE)
        for position in range(done, len(self.config.recipe)):
            step = self.config.recipe[position]
            if isinstance(step.teacher, Sibling):
                yield from self._train_sibling(step.label, step.teacher)
            checkpoints = Checkpoints(self.store, self.keys[position])
            if step.compresses and not any(self.compressed[:position]):
                self.parent = self._export_parent(model)
            yield from parallel.agree(checkpoints.reports())
            torch.manual_seed(self.config.seed)
            model = yield from step.run(model, self._context(position, checkpoints))
            self.stages[step.label] = checkpoints.seconds()
            self.cost_seconds += self.stages[step.label]
            if not any(self.compressed[: position + 1]) and checkpoints.last is not None:
                self.parent_quality = dict(checkpoints.last.metrics)
            if parallel.rank() == 0:
                files = {
                    SECONDS_FILE: json.dumps(self.cost_seconds).encode(),
                    QUALITY_FILE: json.dumps(self.parent_quality).encode(),
                }
                if self.sensitivity:
                    files[SENSITIVITY_FILE] = json.dumps(self.sensitivity).encode()
                if checkpoints.said:
                    files[REPORTS_FILE] = _reports(checkpoints.said)
                self.store.write(self.keys[position], {**files, **dump(model)})
                checkpoints.clear()
            parallel.agree(None)  # no rank reads what is not written yet
        return model

    def judge(self, model: Network, measure: Measure) -> Measurement:
        """Export, gate and measure the finished model."""
        started = time.perf_counter()
        rows, info = self.data.validation, self.data.info
        file = onnx.export(model, self.data)
        self.store.write(self.keys[-1], {"model.onnx": file})
        expected = predict(Deployed(model.cpu(), info), torch.from_numpy(rows.inputs)).numpy()
        gate.check(
            *(file, self.parent, rows.inputs, expected),
            is_regression=not info.classes,
            claimed=claims(model),
        )
        self.stages["export"] = time.perf_counter() - started
        measurement = measure(file, rows)
        train_seconds = sum(self.stages.get(label, 0.0) for label in self.labels)
        return replace(measurement, train_seconds=train_seconds + sum(self.teachers.values()))

    def result(
        self, status: Status, reason: str = "", measurement: Measurement | None = None
    ) -> TrialResult:
        return TrialResult(
            status=status,
            reason=reason,
            key=self.keys[-1],
            measurement=measurement,
            parent_quality=self.parent_quality,
            reused_steps=self.reused_steps,
            reused_seconds=self.reused_seconds,
            stages=self.stages,
            teacher_seconds=sum(self.teachers.values()),
            notes=tuple(self.notes),
            sensitivity=self.sensitivity,
        )

    def _check(self) -> None:
        """Raise Rejected on what `automl check` has not met: it takes each option of a space with
        some of the others, not with all."""
        try:
            check(self.config)
            for step in self.config.recipe:
                step.check_data(self.data.info)
        except UserError as error:
            raise Rejected(str(error)) from None

    def _train_sibling(self, label: str, sibling: Sibling) -> Generator[Report, None, None]:
        """Have a step's teacher in the store; what it took, whenever, is charged to this trial."""
        if sibling.model is None:
            larger(self.config.model, sibling.width_factor)
        config = sibling_config(self.config, sibling)
        teacher = _Trial(config, self.store, self.cache, self.source, self.device)
        for report in teacher.recipe():
            yield replace(report, step=f"{label}.teacher.{report.step}")
        if teacher.stages:
            self.stages[f"{label}.teacher"] = sum(teacher.stages.values())
        self.notes += teacher.notes
        self.sensitivity |= {f"{label}.teacher.{k}": v for k, v in teacher.sensitivity.items()}
        if teacher.keys[-1] not in self.teachers:
            self.teachers[teacher.keys[-1]] = teacher.cost_seconds
            self.cost_seconds += teacher.cost_seconds

    def _longest_stored(self) -> int:
        """How many steps need not be run: their result is there, with all that the rest needs."""
        for length in range(len(self.config.recipe), 0, -1):
            needed = [(self.keys[length - 1], "spec.json")]
            if any(self.compressed[:length]):
                needed.append((self._parent_key(), PARENT_FILE))
            for step in self.config.recipe[length:]:
                if isinstance(step.teacher, str) and step.teacher in self.labels[:length]:
                    needed.append((self.keys[self.labels.index(step.teacher)], "spec.json"))
            if all(self.store.has(key, name) for key, name in needed):
                return length
        return 0

    def _said(self, length: int) -> list[Report]:
        """What was said of the first steps while they were made."""
        found = [self.store.read(key, REPORTS_FILE) for key in self.keys[:length]]
        return [Report(**said) for part in found for said in json.loads(part or b"[]")]

    def _parent_key(self) -> str:
        """The key of the last step before the first compression, of the first step if none is."""
        return self.keys[max(0, self.compressed.index(True) - 1)]

    def _export_parent(self, model: Network) -> bytes:
        """The fp32 file that compression must beat, stored with its prefix."""
        key = self._parent_key()
        file = self.store.read(key, PARENT_FILE)
        if file is None:
            file = onnx.export(model, self.data)
            if parallel.rank() == 0:
                self.store.write(key, {PARENT_FILE: file})
        return file

    def _once(self, key: str, name: str, make: Callable[[], bytes]) -> bytes:
        """What was kept with a prefix, made and kept when it was not."""
        data = self.store.read(key, name)
        if data is None:
            data = make()
            if parallel.rank() == 0:
                self.store.write(key, {name: data})
        return data

    def _untrained(self) -> Network:
        torch.manual_seed(self.config.seed)
        return untrained(self.config.model, self.data.info)

    def _load(self, key: str) -> Network:
        weights, spec = (self._read(key, name) for name in MODEL_FILES)
        self.store.use(key)
        return restore(weights, spec)

    def _read(self, key: str, name: str) -> bytes:
        data = self.store.read(key, name)
        if data is None:
            raise RuntimeError(f"{name} of {key} vanished from the store {self.store.url}")
        return data

    def _teacher(self, teacher: str | Sibling) -> Network:
        if isinstance(teacher, Sibling):
            return self._load(prefix_keys(sibling_config(self.config, teacher), self.source)[-1])
        return self._load(self.keys[self.labels.index(teacher)])

    def _context(self, position: int, checkpoints: Checkpoints) -> Context:
        def once(name: str, make: Callable[[], bytes]) -> bytes:
            if position:
                return self._once(self.keys[position - 1], name, make)
            return self._once(self.keys[0], f"untrained_{name}", make)

        return Context(
            data=self.data,
            seed=self.config.seed,
            device=self.device,
            teacher=self._teacher,
            checkpoints=checkpoints,
            notes=self.notes,
            once=once,
            sensitivity=self.sensitivity,
        )
