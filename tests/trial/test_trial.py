import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from helpers.trials import CACHE, drive

from automl.compression import layer_sensitivity
from automl.compression.binarize import Binarize
from automl.compression.factorize import Factorize
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.config import decode, encode
from automl.models.linear import Linear
from automl.models.mlp import MLP
from automl.recipe import LayerOutcome, Sibling, Step
from automl.space.store_keys import needed_keys, prefix_keys
from automl.store import Store
from automl.training.distillation import Distill, Joint, Mutual
from automl.training.loop import Train
from automl.trial.prefixes import OUTCOMES_FILE, PARENT_FILE
from automl.trial.trial import run


def test_a_trial_ends_with_figures_of_the_stored_file(config, store):
    reports, result = drive(config, store)
    assert (result.status, result.reason, result.reused_steps) == ("complete", "", 0)
    assert [(r.step, r.epoch) for r in reports] == [
        *(("train", i) for i in (1, 2, 3)),
        *(("fine_tune", i) for i in (1, 2)),
    ]
    file = store.read(result.key, "model.onnx")
    parent = store.read(prefix_keys(config)[0], PARENT_FILE)
    assert result.measurement.size_bytes == len(file) < len(parent)
    assert set(result.stages) == {"train", "prune", "fine_tune", "quantize", "export"}
    assert result.sensitivity == {}


def test_a_shared_prefix_is_trained_once(config, store):
    drive(config, store)
    other = replace(config, recipe=(*config.recipe[:2], Train(label="other", epochs=1)))
    reports, result = drive(other, store)
    assert result.reused_steps == 2
    assert {r.step for r in reports} == {"other"}


def test_sensitivity_is_measured_once_and_shared(config, store, monkeypatch):
    def trial(*steps):
        return drive(replace(config, recipe=(config.recipe[0], *steps)), store)[1]

    halved = Factorize(average_share=0.5)
    first = trial(halved)
    monkeypatch.setattr(layer_sensitivity, "measured", None)
    others = [trial(Factorize(average_share=0.4)), trial(halved, Quantize())]
    assert [result.status for result in (first, *others)] == ["complete"] * 3
    assert [result.reused_steps for result in others] == [1, 2]
    found = first.sensitivity["factorize"]
    assert [result.sensitivity for result in others] == [{"factorize": found}] * 2
    assert set(found["layers"]) == {"block0.linear", "head"}
    assert all(option["loss"] >= 0 for own in found["layers"].values() for option in own)


def test_sensitivity_is_measured_again_for_a_changed_model(config, store):
    steps = [Prune(0.5, scope="sensitivity", label=label) for label in ("first", "second")]
    recipe = (*steps, config.recipe[0])
    _, result = drive(replace(config, model=MLP((32, 32)), recipe=recipe), store)
    sizes = {
        label: sum(own[0]["size"] for own in found["layers"].values())
        for label, found in result.sensitivity.items()
    }
    assert sizes == {"first": 64, "second": 32}


def test_a_teachers_sensitivity_is_carried_under_its_own_name(config, store):
    sibling = Sibling((Train(epochs=1), Factorize(average_share=0.5)), MLP((48,)))
    for _ in range(2):
        _, result = drive(replace(config, recipe=taught_by(sibling)), store)
        assert set(result.sensitivity) == {"train.teacher.factorize"}


@dataclass(frozen=True)
class Telling(Step):
    """Leaves the network as it is, and says so."""

    def apply(self, network, context):
        context.outcomes[self.label] = (
            LayerOutcome("head.weight", 320, "5 of 10 units"),
            LayerOutcome("block0.linear.weight", 2048, reason="it is a test's"),
        )
        return network


def test_what_became_of_layers_is_told_first_and_kept_with_its_prefix(config, store):
    telling = replace(config, recipe=(config.recipe[0], Telling(), Quantize()))
    results = [drive(telling, store)[1] for _ in range(2)]
    shorter = replace(telling, recipe=(*telling.recipe[:2], Quantize(bits=4)))
    results.append(drive(shorter, store)[1])
    assert [result.reused_steps for result in results] == [0, 3, 2]
    assert [result.status for result in results] == ["complete"] * 3
    told = results[0].outcomes
    assert told["telling"][1] == LayerOutcome("block0.linear.weight", 2048, "", "it is a test's")
    assert results[1].outcomes == told
    assert results[2].outcomes["telling"] == told["telling"]
    for result in results:
        assert decode(json.loads(json.dumps(encode(result)))) == result


def test_what_no_step_changed_is_the_first_note_of_a_trial(config, store):
    recipe = (config.recipe[0], Telling(), replace(Telling(), label="again"))
    _, result = drive(replace(config, recipe=recipe), store)
    assert result.status == "rejected"
    assert result.notes[0].startswith("telling and again left 86 % of the weights as they were: ")


def test_a_prefix_that_was_stored_without_outcomes_is_reused(config, store):
    telling = replace(config, recipe=(config.recipe[0], Telling(), Quantize()))
    drive(telling, store)
    for key in prefix_keys(telling):
        (Path(store.url) / key / OUTCOMES_FILE).unlink(missing_ok=True)
    _, result = drive(telling, store)
    assert (result.status, result.reused_steps, result.outcomes) == ("complete", 3, {})


def test_reused_and_fresh_work_give_the_same_bytes(config, store, tmp_path):
    drive(replace(config, recipe=config.recipe[:1]), store)
    _, reused = drive(config, store)
    fresh_store = type(store)(str(tmp_path / "fresh"))
    _, fresh = drive(config, fresh_store)
    assert (reused.reused_steps, fresh.reused_steps) == (1, 0)
    assert store.read(reused.key, "model.onnx") == fresh_store.read(fresh.key, "model.onnx")


def test_a_resumed_trial_repeats_its_earlier_reports(config, store, tmp_path):
    key, cut_off = prefix_keys(config)[0], run(config, store, None, Path(CACHE.name))
    said = [next(cut_off), next(cut_off)]
    cut_off.close()
    resumed = run(config, store, None, Path(CACHE.name))
    assert [next(resumed), next(resumed)] == said
    assert store.starting_with(f"{key}@") == [f"{key}@2"]
    resumed.close()
    reports, result = drive(config, store)
    whole, alone = drive(config, Store(str(tmp_path / "other")))
    assert reports == whole
    assert result.measurement.size_bytes == alone.measurement.size_bytes
    assert result.parent_quality == alone.parent_quality == whole[2].metrics
    assert not store.starting_with(f"{key}@")


def test_a_resumed_trial_repeats_the_reports_of_finished_steps(config, store):
    whole, first = drive(config, store)
    assert drive(config, store)[0] == []
    again, second = drive(config, store, is_again=True)
    assert again == whole and second.reused_steps == len(config.recipe)
    assert second.measurement.quality == first.measurement.quality


def test_a_teacher_missing_from_the_store_is_made_again(config, store):
    student = Train(label="student", loss=Distill(), epochs=1)
    taught = replace(config, recipe=(*config.recipe[:2], student))
    drive(taught, store)
    teacher, _, last = prefix_keys(taught)
    store.drop(teacher)
    store.drop(last)
    reports, result = drive(taught, store)
    assert result.status == "complete"
    assert reports[0].step == "train"


def taught_by(sibling, **options):
    return (Train(epochs=1, loss=Distill(sibling), **options),)


def test_a_sibling_is_trained_once_and_charged_to_each_student(config, store):
    sibling = Sibling((Train(epochs=3),), MLP((48,)))
    first_reports, first = drive(replace(config, recipe=taught_by(sibling)), store)
    reports, second = drive(replace(config, model=MLP((8,)), recipe=taught_by(sibling)), store)
    made = [(report.step, report.epoch) for report in first_reports]
    assert made == [*(("train.teacher.train", i) for i in (1, 2, 3)), ("train", 1)]
    assert [(report.step, report.epoch) for report in reports] == [("train", 1)]
    assert set(first.stages) == {"train.teacher", "train", "export"}
    assert set(second.stages) == {"train", "export"}
    assert second.teacher_seconds == first.teacher_seconds == first.stages["train.teacher"] > 0
    for result in (first, second):
        trained = result.stages["train"] + result.teacher_seconds
        assert result.measurement.train_seconds == pytest.approx(trained)


def test_a_sibling_is_what_a_trial_of_its_own_would_be(config, store):
    sibling = Sibling((Train(epochs=2), Prune(0.5)), width_factor=2.0)
    taught = replace(config, model=MLP((16,)), recipe=taught_by(sibling))
    drive(taught, store)
    _, own = drive(replace(taught, model=MLP((32,)), recipe=sibling.recipe), store)
    assert (own.status, own.reused_steps) == ("complete", 2)
    assert set(needed_keys(taught)) == {*prefix_keys(taught), *own_keys(taught, sibling)}


def own_keys(config, sibling):
    return prefix_keys(replace(config, model=MLP((32,)), recipe=sibling.recipe))


def test_a_sibling_that_teaches_two_steps_is_charged_once(config, store):
    sibling = Sibling((Train(epochs=1),), MLP((48,)))
    recipe = (*taught_by(sibling), *taught_by(sibling, label="more"))
    _, result = drive(replace(config, recipe=recipe), store)
    assert result.teacher_seconds == result.stages["train.teacher"]


def test_a_sibling_that_taught_a_reused_step_is_not_charged_again(config, store):
    sibling = Sibling((Train(epochs=1),), MLP((48,)))
    recipe = (*taught_by(sibling), *taught_by(sibling, label="more"), Train(label="last", epochs=1))
    results = [drive(replace(config, recipe=recipe[:n]), store)[1] for n in (1, 2, 3)]
    assert [result.reused_steps for result in results] == [0, 1, 2]
    assert len({result.teacher_seconds for result in results}) == 1
    first, second, third = results
    one = first.teacher_seconds + first.stages["train"]
    assert second.reused_seconds == pytest.approx(one)
    assert third.reused_seconds == pytest.approx(one + second.stages["more"])


def test_a_sibling_cut_off_goes_on_and_all_its_seconds_count(config, store):
    sibling = Sibling((Train(epochs=3),), MLP((48,)))
    taught = replace(config, recipe=taught_by(sibling))
    cut_off = run(taught, store, None, Path(CACHE.name))
    for _ in range(2):
        next(cut_off)
    cut_off.close()
    (unfinished,) = store.starting_with(needed_keys(taught)[-1] + "@")
    assert json.loads(store.read(unfinished, "seconds.json")) > 0
    store.write(unfinished, {"seconds.json": b"1000.0"})
    reports, result = drive(taught, store)
    assert [report.epoch for report in reports] == [1, 2, 3, 1]
    assert 1000 < result.teacher_seconds == result.stages["train.teacher"]


@pytest.mark.parametrize(
    ("model", "sibling", "reason"),
    [
        (Linear(), Sibling((Train(),)), "this Linear has no widths to multiply"),
        (MLP((16,)), Sibling((Train(epochs=1), Prune(2.0))), "fraction 2.0 is not between"),
    ],
)
def test_a_trial_whose_teacher_cannot_be_is_rejected(model, sibling, reason, config, store):
    _, result = drive(replace(config, model=model, recipe=taught_by(sibling)), store)
    assert result.status == "rejected"
    assert reason in result.reason


@pytest.mark.parametrize(
    ("step", "stages"),
    [
        (Prune(0.5, fine_tune_epochs=1, loss=Mutual()), {"prune"}),
        (Quantize(2, training=Train(epochs=1, loss=Joint())), {"quantize"}),
        (
            Binarize(epochs=1, loss=Distill(Sibling((Train(epochs=1),)))),
            {"binarize", "binarize.teacher"},
        ),
    ],
    ids=lambda value: getattr(value, "label", ""),
)
def test_every_step_that_trains_may_learn_from_others(step, stages, config, store):
    recipe = (config.recipe[0], step)
    _, result = drive(replace(config, model=MLP((32, 32)), recipe=recipe), store)
    assert (result.status, result.reason) == ("complete", "")
    assert set(result.stages) == {"train", "export", *stages}


def test_a_recipe_may_start_with_a_compression_and_is_reused_too(config, store):
    cut = replace(config, recipe=(config.recipe[1], config.recipe[2]))
    _, first = drive(cut, store)
    _, second = drive(cut, store)
    assert (first.status, second.status) == ("complete", "complete")
    assert (first.reused_steps, second.reused_steps) == (0, 2)
    assert first.measurement.size_bytes == second.measurement.size_bytes


def test_a_compression_that_does_not_shrink_is_rejected_with_the_reason(config, store):
    @dataclass(frozen=True)
    class Nothing(Step):
        def apply(self, model, context):
            return model

    _, result = drive(replace(config, recipe=(config.recipe[0], Nothing())), store)
    assert result.status == "rejected"
    assert result.reason.startswith("did not shrink")
    assert result.measurement is None


def test_a_cut_that_removes_nothing_is_rejected_and_the_reason_kept(config, store):
    _, result = drive(replace(config, model=MLP((8,))), store)
    assert (result.status, result.measurement) == ("rejected", None)
    assert "removed nothing" in result.reason


def test_what_a_step_raises_is_the_drivers_to_catch(config, store):
    @dataclass(frozen=True)
    class Broken(Step):
        def apply(self, model, context):
            raise RuntimeError("it broke")

    with pytest.raises(RuntimeError, match="it broke"):
        drive(replace(config, recipe=(config.recipe[0], Broken())), store)
