"""Makes the explanation of a search and of a model chosen from it, and its page."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from automl import quality, user_code
from automl.bounds.bound import Bounds
from automl.data import dataset
from automl.data.preview import previews
from automl.errors import UserError
from automl.explain import ablation, page, text
from automl.explain.ablation import RecipeRunner
from automl.explain.findings import (
    Answers,
    ChosenModel,
    Explanation,
    Outcome,
    Parameters,
)
from automl.explain.neighbours import neighbours
from automl.home import Home
from automl.measure import predictions
from automl.measure.latency import Reference
from automl.measure.machine import processor_of
from automl.measure.measurement import timer
from automl.measure.runtimes_here import runtimes_here
from automl.recipe import LayerSensitivity
from automl.space.space import Space, TrialConfig
from automl.store import Store
from automl.study import importance
from automl.study.one_choice import one_choice_pairs
from automl.study.propose import next_proposals
from automl.study.record import Settings, TrialRecord
from automl.study.study import Study
from automl.tracking import publish

Say = Callable[[str], None]
MAX_PREVIEWS = 24
MAX_PARAMETERS, MAX_PAIRS = 12, 8


@dataclass(frozen=True)
class Chosen:
    """A model to explain: why it was chosen, its config, and the space that it is of.

    `origin` is the config of the trial of which it is the refit, if it is one.
    """

    record: TrialRecord
    why: str
    config: TrialConfig
    space: Space
    origin: TrialConfig | None = None

    @property
    def uncompressed(self) -> TrialConfig:
        """The recipe in which the model was uncompressed at first."""
        return self.origin or self.config


def explain_and_publish(
    study: Study, chosen: Chosen, home: Home, file: Path | None, say: Say
) -> Explanation:
    """Explain, write the page to a file, and put it on the search's run in MLflow if that
    answers. Raises UserError, before the work, when the file cannot be written."""
    if file is not None:
        try:
            file.open("a").close()
        except OSError as error:
            raise UserError(f"cannot write {file}: {error.strerror}") from None
    explanation = explain(study, chosen, home, say)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "explain.html"
        page.write(explanation, written)
        if file is not None:
            shutil.copy(written, file)
        if warning := publish.add_files(study, written.parent):
            say(warning)
    return explanation


def explain(study: Study, chosen: Chosen, home: Home, say: Say) -> Explanation:
    """Explain a search and one of its models.

    The model's recipe is run again through the store, whole, step by step and without each
    technique, and measured as the search did. Only validation rows are looked at.
    """
    here = runtimes_here(study.timed_beside)
    if not here.has_first:
        say(here.notes[0])
    runner = _runner(study, home, next(iter(here.beside.values())))
    record, config = chosen.record, chosen.config
    ablated = ablation.ablate(config, chosen.origin, runner, say)
    say("comparing answers, and looking at the search")
    explanation = Explanation(
        search=study.name,
        objectives=study.settings.objectives,
        quality=_main_quality(study, record),
        model=_chosen_model(
            *(study.settings, chosen, ablated.whole),
            ablation.parent_file(chosen.uncompressed, runner),
        ),
        ablation=ablated,
        answers=_compare_answers(chosen, ablated.whole, runner),
        sensitivity=_layer_sensitivity(record, config, runner),
        outcomes=record.result.outcomes if record.result else {},
        parameters=_parameters(study),
        proposals=next_proposals.proposals(study, chosen.space, Bounds(home.cache)),
        beside=neighbours(study.settings, record, study.front().members),
    )
    return replace(explanation, findings=text.sentences(explanation))


def _runner(study: Study, home: Home, beside: Reference) -> RecipeRunner:
    options = study.attribute("options", {})
    return RecipeRunner(
        store=Store(home.store),
        time_file=timer(beside),
        cache=home.cache,
        space_source=user_code.fingerprint(study.space_text),
        wants_gpu=bool(options.get("gpus_per_trial")),
        num_threads=max(1, int(options.get("cpus_per_trial", 1))),
    )


def _main_quality(study: Study, record: TrialRecord) -> str:
    """The first metric that is wanted, else the task's first."""
    assert record.result is not None and record.result.measurement is not None
    wanted = [name for name in study.settings.objectives if name in quality.METRICS]
    return [*wanted, *record.result.measurement.quality][0]


def _chosen_model(
    settings: Settings, chosen: Chosen, whole: Outcome, parent: bytes | None
) -> ChosenModel:
    """The chosen model; its quality and bytes must be those of the recipe run again."""
    record, first = chosen.record, next(iter(settings.by_name.values()))
    processor = processor_of(settings.measured_on)
    names = [name for name in record.values if name in quality.METRICS] + ["size_bytes"]
    differing = [
        f"{name} {whole.figures[name]} in place of {record.values[name]}"
        for name in names
        if whole.figures and whole.figures[name] != record.values[name]
    ]
    return ChosenModel(
        trial_id=record.trial_id,
        why=chosen.why,
        params=record.params,
        recorded=record.values,
        latency_of=", ".join(filter(None, (first.words, processor))),
        difference=", ".join(differing) if whole.figures else f"{whole.status}, {whole.reason}",
        parent_bytes=None if parent is None else len(parent),
        origin=str(record.id.origin) if record.id.is_refit else None,
    )


def _compare_answers(chosen: Chosen, whole: Outcome, runner: RecipeRunner) -> Answers:
    """Answers of the model and of its uncompressed parent on validation rows. Raises UserError
    when the model's file is gone."""
    config = chosen.config
    data = dataset.load(config.dataset, config.seed, runner.cache)
    file = runner.store.read(runner.keys(config)[-1], "model.onnx")
    if file is None:
        raise UserError(
            f"the file of trial {chosen.record.trial_id} is no longer in the store "
            f"{runner.store.url} and cannot be made again here ({whole.reason}); "
            "search again to make it"
        )
    before = ablation.parent_file(chosen.uncompressed, runner)
    comparison = predictions.compare(before, file, data.validation, data.info.classes)
    positions = [item.position for item in comparison.changed[:MAX_PREVIEWS]]
    shown = data.validation.inputs[positions]
    return Answers(comparison, previews(shown, data.info, config.dataset.tokenizer_json()))


def _layer_sensitivity(
    record: TrialRecord, config: TrialConfig, runner: RecipeRunner
) -> dict[str, LayerSensitivity]:
    """Losses of layers as the model's own steps measured them, else those of fewer bits."""
    if record.result is not None and record.result.sensitivity:
        measured = record.result.sensitivity
        return {label: LayerSensitivity.decode(own) for label, own in measured.items()}
    losses = ablation.layer_losses(config, runner)
    return {"uncompressed": losses} if losses else {}


def _parameters(study: Study) -> Parameters:
    settings, records = study.settings, study.records()
    alone = importance.importances(settings, records)
    pairs = importance.interactions(settings, records)
    return Parameters(
        num_complete=len(importance.complete(records)),
        alone={name: own[:MAX_PARAMETERS] for name, own in alone.items()},
        pairs={name: own[:MAX_PAIRS] for name, own in pairs.items()},
        one_choice=one_choice_pairs(settings, records)[:MAX_PARAMETERS],
    )
