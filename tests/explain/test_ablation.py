import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.trials import CACHE, drive

from automl.compression import layer_sensitivity
from automl.compression.average_flips import AverageFlips
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.config import decode
from automl.engine.refit import refit_config
from automl.explain.ablation import (
    RecipeRunner,
    ablate,
    course,
    layer_losses,
    parent_file,
    prefixes,
    techniques,
)
from automl.measure.measurement import timer
from automl.models.family import Spec
from automl.models.mlp import MLP
from automl.recipe import Sibling
from automl.space.store_keys import prefix_keys
from automl.store import Store
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.parallel import DataParallel
from automl.trial.prefixes import PARENT_FILE


@pytest.fixture
def runner(store):
    return RecipeRunner(store, timer(), Path(CACHE.name), "")


def ablated(config, runner, origin=None):
    said = []
    found = ablate(config, origin, runner, said.append)
    after, without = ({o.name: o for o in own} for own in (found.after_steps, found.without))
    return found.whole, after, without, said


def sure(figures):
    """Those that two measurements of one file share."""
    return {name: figures[name] for name in ("accuracy", "macro_f1", "size_bytes")}


def test_each_step_but_the_first_training_and_each_teacher_is_a_technique(config):
    taught = Train(label="fine_tune", epochs=1, loss=Distill())
    again = Train(label="again", epochs=1, loss=Distill(Sibling((Train(epochs=1),))))
    cut = Prune(0.5, fine_tune_epochs=1)
    found = techniques(replace(config, recipe=(config.recipe[0], cut, taught, again, Quantize(2))))
    assert list(found) == [
        "prune",
        "fine-tuning of prune",
        "fine_tune",
        "teaching of fine_tune",
        "again",
        "sibling teacher of again",
        "quantize",
        "training of quantize",
    ]
    assert [step.label for step in found["fine_tune"].recipe] == [
        *("train", "prune", "again", "quantize")
    ]
    assert found["teaching of fine_tune"].recipe[2] == replace(taught, loss=None)
    assert found["training of quantize"].recipe[4].aware_training().epochs == 0
    assert techniques(replace(config, recipe=config.recipe[:1])) == {}


def test_an_ablation_is_measured_like_a_trial(config, runner, tmp_path):
    _, recorded = drive(config, runner.store)
    whole, after, without, said = ablated(config, runner)
    assert sure(whole.figures) == sure(recorded.measurement.figures)
    assert list(after) == [step.label for step in config.recipe]
    assert after["quantize"].figures == whole.figures
    assert without["quantize"].figures == after["fine_tune"].figures
    fresh = Store(str(tmp_path / "fresh"))
    for name, variant in {**prefixes(config), **techniques(config)}.items():
        found = (without if variant in techniques(config).values() else after)[name]
        _, alone = drive(variant, fresh)
        assert alone.status == found.status == "complete"
        assert sure(found.figures) == sure(alone.measurement.figures)
    # The whole and the recipe without its last step are prefixes, too: each is run once.
    assert len(said) == 1 + 3 + 2


def refitted(config, runner):
    """The refit of a config that has run."""

    def spec_after(position):
        return decode(json.loads(runner.store.read(runner.keys(config)[position], "spec.json")))

    return refit_config(config, spec_after)


def test_a_refit_goes_on_from_its_origin(config, runner):
    _, recorded = drive(config, runner.store)
    refit = refitted(config, runner)
    assert [name for name, _ in course(refit, config)] == [
        *("train", "prune", "fine_tune", "the refit", "quantize")
    ]
    whole, after, without, _ = ablated(refit, runner, config)
    assert next(iter(without)) == "the refit"
    assert sure(without["the refit"].figures) == sure(recorded.measurement.figures)
    assert after["quantize"].figures == whole.figures
    assert after["the refit"].figures["size_bytes"] == after["prune"].figures["size_bytes"]
    assert after["train"].figures["size_bytes"] > after["prune"].figures["size_bytes"]
    seconds = [outcome.seconds for outcome in after.values()]
    assert min(seconds) > 0 and sorted(seconds[:3]) == seconds[:3]


def test_what_comes_after_the_trainings_of_a_cut_comes_after_the_refit(config):
    origin = replace(config, recipe=(*config.recipe[:3], AverageFlips(), config.recipe[3]))
    refit = refit_config(origin, lambda position: Spec(MLP((16,)), (1, 8, 8), 10))
    assert [name for name, _ in course(refit, origin)] == [
        *("train", "prune", "fine_tune", "the refit", "average_flips", "quantize")
    ]


def test_a_refit_of_what_was_not_cut_has_its_origins_training_before_it(config, runner):
    plain = replace(config, recipe=(config.recipe[0], Quantize()))
    longer = refit_config(plain, lambda position: None)
    assert [name for name, _ in course(longer, plain)] == ["train", "the refit", "quantize"]
    assert [name for name, _ in course(plain, None)] == ["train", "quantize"]


def test_only_what_comes_after_a_technique_is_done_again(config, runner):
    drive(config, runner.store)
    labels = {n: [s.label for s in runner.unmade(v)] for n, v in techniques(config).items()}
    assert labels == {
        "prune": ["fine_tune", "quantize"],
        "fine_tune": ["quantize"],
        "quantize": [],
    }


def test_rejected_variants_say_why(config, runner):
    after = Train(label="after", epochs=1, loss=Distill(teacher="fine_tune"))
    shrunk = Prune(0.5, multiple=32, label="prune")
    recipe = (config.recipe[0], shrunk, config.recipe[2], after)
    whole, after, without, _ = ablated(replace(config, recipe=recipe, model=MLP((64,))), runner)
    assert (whole.status, after["prune"].status) == ("complete", "complete")
    assert without["fine_tune"].status == "rejected"
    assert "distils from 'fine_tune'" in without["fine_tune"].reason
    assert without["fine_tune"].figures == {}
    narrow = replace(config, model=MLP((8,)), recipe=(config.recipe[0], Prune(0.5), Quantize()))
    whole, _, without, _ = ablated(narrow, runner)
    assert "removed nothing" in whole.reason
    assert without["prune"].status == "complete"


def test_what_trains_over_several_workers_is_not_run_here(config, runner):
    spread = replace(config.recipe[0], parallelism=DataParallel(2))
    whole, *_ = ablated(replace(config, recipe=(spread,)), runner)
    assert (whole.status, whole.reason) == ("not run", "train trains over several workers")


def test_what_layers_lose_is_what_a_step_measures_and_is_kept(config, runner, monkeypatch):
    searched = replace(config, recipe=(config.recipe[0], Quantize(average_bits=4.0)))
    _, result = drive(searched, runner.store)
    monkeypatch.setattr(layer_sensitivity, "measured", None)
    assert layer_losses(config, runner).as_json() == result.sensitivity["quantize"]


def test_without_a_first_training_there_is_no_sensitivity(config, runner):
    assert layer_losses(replace(config, recipe=config.recipe[1:]), runner) is None
    assert layer_losses(config, runner) is None


def test_the_file_that_a_model_was_compressed_from(config, runner):
    assert parent_file(replace(config, recipe=config.recipe[:1]), runner) is None
    drive(config, runner.store)
    assert parent_file(config, runner) == runner.store.read(prefix_keys(config)[0], PARENT_FILE)
