"""A chosen model in the formats that a user asked for, from what the store holds of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from automl.data import dataset
from automl.engine.export_dir import Taken, row_format
from automl.errors import Rejected, UserError
from automl.export.opset import with_opset
from automl.export.taken import Chosen
from automl.home import Home
from automl.models.family import Network, restore
from automl.space.space import TrialConfig
from automl.store import Store
from automl.study.record import TrialRecord
from automl.trial.checked_file import check_file
from automl.trial.checked_format import formats_of
from automl.trial.prefixes import MODEL_FILES
from automl.web.onnxruntime_web import onnxruntime_web


@dataclass(frozen=True)
class Wanted:
    """A trial's ONNX file, the formats that are wanted beside it, the version of operators that it
    is to use, its own by default, and a copy of onnxruntime-web, fetched by default."""

    file: bytes
    formats: Sequence[str] = ()
    opset: int | None = None
    onnxruntime_web: Path | None = None


def taken(
    search: str, record: TrialRecord, config: TrialConfig, home: Home, wanted: Wanted
) -> Taken:
    """The files of a trial of a search, in the formats and with the operators that are wanted.

    Raises UserError on a format or a version that cannot be, before anything is written.
    """
    if not wanted.formats and wanted.opset is None:
        return Taken(wanted.file)
    network, data = _network(record, home), dataset.load(config.dataset, config.seed, home.cache)
    file = wanted.file
    if wanted.opset is not None:
        try:
            file = with_opset(file, wanted.opset)
            check_file(file, network, data)
        except Rejected as reason:
            raise UserError(
                f"--opset {wanted.opset}: the file of trial {record.trial_id} {reason}"
            ) from None
    name = f"{search}, trial {record.trial_id}"
    form = row_format(config.dataset, data)
    browser_runtime = partial(onnxruntime_web, home.cache, wanted.onnxruntime_web)
    chosen = Chosen(
        name, file, network, data, form.to_json(), bool(form.tokenizer), browser_runtime
    )
    return Taken(file, formats_of(chosen, wanted.formats))


def _network(record: TrialRecord, home: Home) -> Network:
    """The trained and compressed network of a trial. Raises UserError where it is gone."""
    assert record.result is not None
    store = Store(home.store)
    weights, spec = (store.read(record.result.key, name) for name in MODEL_FILES)
    if weights is None or spec is None:
        raise UserError(
            f"the weights of trial {record.trial_id} are no longer in the store {home.store}, and "
            "other formats are made of them; run the search again to make them"
        )
    return restore(weights, spec).eval()
