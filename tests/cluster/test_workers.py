import pytest

from automl import api
from automl.store import Store


def test_a_trial_over_two_workers_is_compressed_exported_and_measured(ray_session, tmp_path):
    sets = {
        "model": "ConvNet",
        "recipe.train.epochs": "4",
        "recipe.shrink": "None",
        "recipe.quantize": "Quantize",
        "recipe.quantize.bits": "8",
    }
    found = api.search(
        "digits", trials=1, finish_minutes=0, workers_per_trial=2, sets=sets, home=tmp_path
    )
    (record,) = found.study.records()
    config = found.config(record)
    assert config.recipe[0].parallelism.num_workers == 2
    assert (record.result.status, record.result.reason) == ("complete", "")
    assert record.values["accuracy"] > 0.8
    file = Store(found.home.store).read(record.result.key, "model.onnx")
    assert record.values["size_bytes"] == len(file)


@pytest.mark.slow
def test_a_recipe_that_diverges_on_the_workers_fails_with_its_reason(ray_session, tmp_path):
    sets = {
        "model": "MLP",
        "recipe.train.learning_rate": "Fixed",
        "recipe.train.learning_rate.Fixed.value": "1e30",
        "recipe.train.optimizer": "Nesterov",
        "recipe.shrink": "None",
    }
    found = api.search(
        "digits", trials=1, finish_minutes=0, workers_per_trial=2, sets=sets, home=tmp_path
    )
    (record,) = found.study.records()
    assert record.result.status == "failed"
    assert record.result.reason.startswith("ArithmeticError: the loss of step 'train' is")
