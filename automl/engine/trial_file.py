"""The file of a trial, taken from the store if it is the one that was measured, and checked again
against the network."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable

from automl.config import canonical
from automl.data import dataset
from automl.errors import Rejected, UserError
from automl.home import Home
from automl.measure.machine import machine
from automl.models.family import Network, restore
from automl.space.space import TrialConfig
from automl.store import Store
from automl.study.record import TrialRecord
from automl.trial.checked_file import check_file
from automl.trial.prefixes import MODEL_FILES

GONE = "the network is no longer in the store, so that the file could not be held against it again"


def trial_file(record: TrialRecord, home: Home) -> bytes:
    """The file of a trial, to the byte as it was when it was measured.

    Raises UserError where it is gone, or is another.
    """
    assert record.result is not None and record.measurement is not None
    key, known = record.result.key, record.measurement.sha256
    file = Store(home.store).read(key, "model.onnx")
    if file is None:
        raise UserError(
            f"the file of trial {record.trial_id} is no longer in the store {home.store}; run the "
            "search again to make it"
        )
    if known and hashlib.sha256(file).hexdigest() != known:
        raise UserError(
            f"the file of trial {record.trial_id} has changed since it was measured: "
            f"{home.store}/{key}/model.onnx has another hash; put the earlier file back, or "
            "delete this one and run the search again"
        )
    return file


def trial_network(record: TrialRecord, home: Home) -> Network | None:
    """The trained and compressed network of a trial; None where the store has it no more."""
    assert record.result is not None
    store = Store(home.store)
    weights, spec = (store.read(record.result.key, name) for name in MODEL_FILES)
    return None if weights is None or spec is None else restore(weights, spec).eval()


def check_again(
    record: TrialRecord, config: TrialConfig, home: Home, file: bytes, network: Network | None
) -> str:
    """A sentence where the gate could not be run once more, else "".

    Raises UserError where the file does not pass it any more, as with another onnxruntime.
    """
    if network is None:
        return GONE
    try:
        check_file(file, network, dataset.load(config.dataset, config.seed, home.cache))
    except Rejected as reason:
        raise UserError(
            f"the file of trial {record.trial_id} does not pass the gate any more: it {reason}; "
            "export another model, or run the search again with this onnxruntime"
        ) from None
    return ""


def kept(
    record: TrialRecord,
    home: Home,
    file: bytes,
    name: str,
    make: Callable[[], dict[str, object]],
    asked: str = "",
) -> dict[str, object]:
    """Figures of a file on this kind of machine, kept beside it when they are first made: the same
    choice exported again is the same to the byte. `asked` tells what else they depend on."""
    assert record.result is not None
    store, key = Store(home.store), record.result.key
    told = canonical(machine()) + asked
    place = hashlib.sha256(told.encode() + file).hexdigest()[:16]
    found = store.read(key, f"{name}-{place}.json")
    if found is None:
        found = json.dumps(make()).encode()
        # A user who may only read the home can still take a model.
        with contextlib.suppress(OSError):
            store.write(key, {f"{name}-{place}.json": found})
    figures: dict[str, object] = json.loads(found)
    return figures
