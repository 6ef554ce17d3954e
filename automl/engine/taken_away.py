"""A chosen model in the formats that a user asked for, from what the store holds of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from automl.data import dataset
from automl.engine.export_costs import Costs, costs
from automl.engine.export_dir import row_format
from automl.engine.taken import Taken
from automl.engine.trial_file import check_again, kept, trial_network
from automl.errors import Rejected, UserError
from automl.export.opset import with_opset
from automl.export.taken import Chosen, Made
from automl.home import Home
from automl.space.space import TrialConfig
from automl.study.record import TrialRecord
from automl.trial.checked_file import check_file
from automl.trial.checked_format import formats_of
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

    Raises UserError on a file that the gate refuses now, and on a format or a version that cannot
    be, before anything is written.
    """
    network = trial_network(record, home)
    checked = check_again(record, config, home, wanted.file, network)
    notes = tuple(filter(None, (checked, *(step.note for step in config.recipe))))
    data = dataset.load(config.dataset, config.seed, home.cache)
    file, others = wanted.file, Made()
    if network is None and (wanted.formats or wanted.opset is not None):
        raise UserError(
            f"the weights of trial {record.trial_id} are no longer in the store {home.store}, and "
            "other formats are made of them; run the search again to make them"
        )
    if network is not None and wanted.opset is not None:
        try:
            file = with_opset(file, wanted.opset)
            check_file(file, network, data)
        except Rejected as reason:
            raise UserError(
                f"--opset {wanted.opset}: the file of trial {record.trial_id} {reason}"
            ) from None
    if network is not None and wanted.formats:
        form = row_format(config.dataset, data)
        name = f"{search}, trial {record.trial_id}"
        runtime = partial(onnxruntime_web, home.cache, wanted.onnxruntime_web)
        has_tokenizer = bool(form.tokenizer)
        chosen = Chosen(name, file, network, data, form.to_json(), has_tokenizer, runtime)
        others = formats_of(chosen, wanted.formats)
    told = kept(record, home, file, "costs", lambda: costs(file, network).as_json())
    return Taken(file, Costs.from_json(told), others, notes)
