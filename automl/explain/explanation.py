"""A search and the model chosen from it, explained: pure data, which the page and terminal show."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from automl import quality, user_code
from automl.bounds.bound import Bounds
from automl.data import dataset
from automl.data.dataset import Split
from automl.data.preview import previews
from automl.errors import UserError
from automl.explain import ablation, text
from automl.explain import page as explain_page
from automl.explain.ablation import Bench, Outcome
from automl.home import Home
from automl.measure import predictions
from automl.measure.measurement import Measurement, Reference, measure
from automl.space.space import Space, TrialConfig
from automl.store import Store
from automl.study import importance
from automl.study.propose import next_proposals
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.tracking import publish

Say = Callable[[str], None]
SHOWN_CHANGES = 24
SHOWN_PARAMETERS, SHOWN_PAIRS = 12, 8


@dataclass(frozen=True)
class Chosen:
    """A model to explain: why this one, its config, and the space that it is of."""

    record: TrialRecord
    why: str
    config: TrialConfig
    space: Space


def published(
    study: Study, chosen: Chosen, home: Home, file: Path | None, say: Say
) -> dict[str, Any]:
    """Explain, write the page to a file, and put it on the search's run in MLflow if that
    answers. Raises UserError, before the work, when the file cannot be written."""
    if file is not None:
        try:
            file.open("a").close()
        except OSError as error:
            raise UserError(f"cannot write {file}: {error.strerror}") from None
    found = explain(study, chosen, home, say)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "explain.html"
        explain_page.write(found, page)
        if file is not None:
            shutil.copy(page, file)
        if warning := publish.put(study, page.parent):
            say(warning)
    return found


def explain(study: Study, chosen: Chosen, home: Home, say: Say) -> dict[str, Any]:
    """Explain a search and one of its models.

    The model's recipe is run again through the store, whole, step by step and without each
    technique, and measured as the search did. Only validation rows are looked at.
    """
    bench, record, config = _bench(study, home), chosen.record, chosen.config
    whole, course, without = ablation.taken_apart(config, bench, say)
    say("comparing answers, and looking at the search")
    proposals = next_proposals.proposals(study, chosen.space, Bounds(home.cache))
    found = {
        "study": study.name,
        "trial_id": record.trial_id,
        "chosen": chosen.why,
        "objectives": list(study.settings.objectives),
        "quality": _main_quality(study, record),
        "params": record.params,
        "model": _model(record, whole, ablation.parent_file(config, bench)),
        "ablation": {
            "course": [asdict(one) for one in course],
            "without": [asdict(one) for one in without],
        },
        "answers": _answers(config, record, whole, bench),
        "sensitivity": _sensitivity(record, config, bench),
        **_search(study),
        "next": [asdict(proposal) for proposal in proposals],
    }
    return {**found, "findings": text.told(found)}


def _bench(study: Study, home: Home) -> Bench:
    options = study.attribute("options", {})
    reference = Reference(study.reference, study.settings.reference_latency_ms)
    return Bench(
        store=Store(home.store),
        measure=partial(_measured, reference),
        cache=home.cache,
        space_source=user_code.fingerprint(study.space_text),
        wants_gpu=bool(options.get("gpus_per_trial")),
        num_threads=max(1, int(options.get("cpus_per_trial", 1))),
    )


def _measured(reference: Reference, file: bytes, rows: Split) -> Measurement:
    return measure(file, rows.inputs, rows.targets, reference)


def _main_quality(study: Study, record: TrialRecord) -> str:
    """The first metric that is wanted, else the task's first."""
    assert record.result is not None and record.result.measurement is not None
    wanted = [name for name in study.settings.objectives if name in quality.METRICS]
    return [*wanted, *record.result.measurement.quality][0]


def _model(record: TrialRecord, whole: Outcome, parent: bytes | None) -> dict[str, Any]:
    """The figures recorded and those measured again, of which quality and bytes must be equal."""
    names = [name for name in record.values if name in quality.METRICS] + ["size_bytes"]
    differing = [
        f"{name} {whole.figures[name]} in place of {record.values[name]}"
        for name in names
        if whole.figures and whole.figures[name] != record.values[name]
    ]
    difference = ", ".join(differing) if whole.figures else f"{whole.status}, {whole.reason}"
    return {
        "recorded": record.values,
        "measured": whole.figures,
        "is_same": not difference,
        "difference": difference,
        "parent_bytes": None if parent is None else len(parent),
    }


def _answers(
    config: TrialConfig, record: TrialRecord, whole: Outcome, bench: Bench
) -> dict[str, Any]:
    """What the model answers on validation rows, beside what its uncompressed parent does."""
    data = dataset.load(config.dataset, config.seed, bench.cache)
    file = bench.store.read(bench.keys(config)[-1], "model.onnx")
    if file is None:
        raise UserError(
            f"the file of trial {record.trial_id} is no longer in the store {bench.store.url} "
            f"and cannot be made again here ({whole.reason}); search again to make it"
        )
    before = ablation.parent_file(config, bench)
    comparison = predictions.compare(before, file, data.validation, data.info.classes)
    found: dict[str, Any] = predictions.as_json(comparison)
    shown = found["changed"][:SHOWN_CHANGES]
    rows = data.validation.inputs[[item["position"] for item in shown]]
    for item, preview in zip(shown, previews(rows, data.info), strict=True):
        item |= preview
    return found


def _sensitivity(record: TrialRecord, config: TrialConfig, bench: Bench) -> dict[str, Any]:
    """What the model's own steps measured of its layers, else what fewer bits would cost each."""
    if record.result is not None and record.result.sensitivity:
        return record.result.sensitivity
    losses = ablation.layer_losses(config, bench)
    return {"uncompressed": losses} if losses else {}


def _search(study: Study) -> dict[str, Any]:
    """Which parameters mattered, alone and in pairs."""
    settings, records = study.settings, study.records()
    alone = importance.importances(settings, records)
    pairs = importance.interactions(settings, records)
    return {
        "num_complete": len(importance.complete(records)),
        "importance": {k: [asdict(i) for i in v[:SHOWN_PARAMETERS]] for k, v in alone.items()},
        "interactions": {k: [asdict(i) for i in v[:SHOWN_PAIRS]] for k, v in pairs.items()},
    }
