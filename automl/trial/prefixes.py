"""The prefixes of a trial's recipe, as the store holds them: networks, reports, and figures."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from copy import copy

import torch

from automl.config import decode, encode
from automl.data.dataset import Data
from automl.export import onnx
from automl.models.family import Network, dump, restore, untrained
from automl.recipe import Report, Sibling
from automl.space.space import TrialConfig
from automl.space.store_keys import prefix_keys, sibling_config
from automl.store import Store
from automl.training import parallel
from automl.trial.account import Account
from automl.trial.checked_file import check_uncompressed
from automl.trial.checkpoints import REPORTS_FILE, SECONDS_FILE, decode_reports, encode_reports

PARENT_FILE = "fp32.onnx"
MODEL_FILES = ("weights.safetensors", "spec.json")
QUALITY_FILE = "quality.json"
SENSITIVITY_FILE = "sensitivity.json"
OUTCOMES_FILE = "outcomes.json"
TEACHERS_FILE = "teachers.json"


class Prefixes:
    """The results of recipe[:1] … recipe[:n] of one trial in the store.

    Under several ranks all of them read, and rank 0 alone writes. Reading raises RuntimeError
    when a file vanished that was there before.
    """

    def __init__(self, config: TrialConfig, store: Store, space_source: str) -> None:
        self.config, self.store, self.space_source = config, store, space_source
        self.keys = prefix_keys(config, space_source)
        self.labels = [step.label for step in config.recipe]

    @property
    def num_plain(self) -> int:
        """The number of steps before the first compression."""
        compresses = [step.compresses for step in self.config.recipe]
        return compresses.index(True) if True in compresses else len(compresses)

    @property
    def parent_key(self) -> str:
        """The key of the last step before the first compression, of the first step if none is."""
        return self.keys[max(0, self.num_plain - 1)]

    def apart(self, position: int) -> Prefixes:
        """The prefixes of a trial that is not what its config says from a step on: their keys are
        this trial's alone."""
        other, own = copy(self), uuid.uuid4().hex
        texts = [f"{key} {own}" for key in self.keys[position:]]
        keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        other.keys = parallel.agree([*self.keys[:position], *keys])
        return other

    def longest(self) -> int:
        """The number of steps that need not be run: their result is there, with all that the rest
        needs."""
        for length in range(len(self.config.recipe), 0, -1):
            needed = [(self.keys[length - 1], "spec.json")]
            if length > self.num_plain:
                needed.append((self.parent_key, PARENT_FILE))
            for step in self.config.recipe[length:]:
                if isinstance(step.teacher, str) and step.teacher in self.labels[:length]:
                    needed.append((self.keys[self.labels.index(step.teacher)], "spec.json"))
            if all(self.store.has(key, name) for key, name in needed):
                return length
        return 0

    def network(self, length: int, data: Data) -> Network:
        """The network after this many steps; untrained after none."""
        if length:
            return self._load(self.keys[length - 1])
        torch.manual_seed(self.config.seed)
        return untrained(self.config.model, data.info)

    def account(self, length: int) -> Account:
        """The account of the trials that made this many steps."""
        if not length:
            return Account()
        key = self.keys[length - 1]
        seconds = json.loads(self._read(key, SECONDS_FILE))
        return Account(
            reused_steps=length,
            reused_seconds=seconds,
            cost_seconds=seconds,
            teachers=json.loads(self.store.read(key, TEACHERS_FILE) or b"{}"),
            parent_quality=json.loads(self._read(key, QUALITY_FILE)),
            sensitivity=json.loads(self.store.read(key, SENSITIVITY_FILE) or b"{}"),
            outcomes=decode(json.loads(self.store.read(key, OUTCOMES_FILE) or b"{}")),
        )

    def reports(self, length: int) -> list[Report]:
        """The reports of the first steps from when they were made."""
        files = [self.store.read(key, REPORTS_FILE) for key in self.keys[:length]]
        return [report for file in files if file for report in decode_reports(file)]

    def parent(self) -> bytes:
        """The fp32 file that compression must beat."""
        return self._read(self.parent_key, PARENT_FILE)

    def export_parent(self, network: Network, data: Data) -> bytes:
        """The fp32 file of the network before the first compression, stored with its prefix.

        Raises Rejected where it does not answer as the network does.
        """

        def checked() -> bytes:
            file = onnx.export(network, data)
            check_uncompressed(file, network, data)
            return file

        return self._once(self.parent_key, PARENT_FILE, checked)

    def once(self, position: int) -> Callable[[str, Callable[[], bytes]], bytes]:
        """Bytes made of the network before a step: read where a trial has kept them, else made
        and kept with the prefix."""

        def kept(name: str, make: Callable[[], bytes]) -> bytes:
            if position:
                return self._once(self.keys[position - 1], name, make)
            return self._once(self.keys[0], f"untrained_{name}", make)

        return kept

    def teacher(self, teacher: str | Sibling) -> Network:
        """The network after the step of a label, or a trained sibling."""
        if isinstance(teacher, Sibling):
            sibling = sibling_config(self.config, teacher)
            return self._load(prefix_keys(sibling, self.space_source)[-1])
        return self._load(self.keys[self.labels.index(teacher)])

    def keep(
        self, position: int, network: Network, account: Account, reports: list[Report]
    ) -> None:
        """Store what a step gave; the spec is written last, as the sign that all is there."""
        files = {
            SECONDS_FILE: json.dumps(account.cost_seconds).encode(),
            QUALITY_FILE: json.dumps(account.parent_quality).encode(),
        }
        if account.teachers:
            files[TEACHERS_FILE] = json.dumps(account.teachers).encode()
        if account.sensitivity:
            files[SENSITIVITY_FILE] = json.dumps(account.sensitivity).encode()
        if account.outcomes:
            files[OUTCOMES_FILE] = json.dumps(encode(dict(account.outcomes))).encode()
        if reports:
            files[REPORTS_FILE] = encode_reports(reports)
        self.store.write(self.keys[position], {**files, **dump(network)})

    def _once(self, key: str, name: str, make: Callable[[], bytes]) -> bytes:
        data = self.store.read(key, name)
        if data is None:
            data = make()
            if parallel.rank() == 0:
                self.store.write(key, {name: data})
        return data

    def _load(self, key: str) -> Network:
        weights, spec = (self._read(key, name) for name in MODEL_FILES)
        self.store.use(key)
        return restore(weights, spec)

    def _read(self, key: str, name: str) -> bytes:
        data = self.store.read(key, name)
        if data is None:
            raise RuntimeError(f"{name} of {key} vanished from the store {self.store.url}")
        return data
