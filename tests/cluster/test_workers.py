from automl import api
from automl.store import Store


def test_a_trial_over_two_workers_is_compressed_exported_and_measured(ray_session, tmp_path):
    sets = {
        "model": "ConvNet",
        "recipe.train.epochs": "4",
        "recipe.shrink": "None",
        "recipe.quantize": "Quantize",
    }
    found = api.search("digits", trials=1, workers_per_trial=2, sets=sets, home=tmp_path)
    (record,) = found.study.records()
    config = found.config(record)
    assert config.recipe[0].parallelism.num_workers == 2
    assert (record.result.status, record.result.reason) == ("complete", "")
    assert record.values["accuracy"] > 0.8
    file = Store(found.home.store).read(record.result.key, "model.onnx")
    assert record.values["size_bytes"] == len(file)
