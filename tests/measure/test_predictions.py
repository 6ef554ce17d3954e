from dataclasses import replace

import numpy as np
import pytest
from helpers.trials import DIGITS, drive, load
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from automl.data.linear_map import LinearMap
from automl.measure.predictions import compared
from automl.models.linear import Linear
from automl.runtimes import onnx
from automl.space.store_keys import prefix_keys
from automl.training.loop import Train
from automl.trial.prefixes import PARENT_FILE


def files(config, store):
    """The uncompressed parent's and the model's."""
    _, result = drive(config, store)
    parent = store.read(prefix_keys(config)[0], PARENT_FILE)
    return parent, store.read(result.key, "model.onnx")


def test_classes_before_and_after_compression(config, store):
    before, after = files(config, store)
    data = load(DIGITS)
    rows, names = data.validation, data.info.classes
    found = compared(before, after, rows, names)
    answered = {
        name: onnx.run(onnx.session(file), rows.inputs).argmax(1)
        for name, file in (("before", before), ("after", after))
    }
    for name, own in answered.items():
        assert found["confusion"][name] == confusion_matrix(rows.targets, own).tolist()
        precision, recall, _, count = precision_recall_fscore_support(
            rows.targets, own, zero_division=np.nan
        )
        for i, one in enumerate(found["classes"]):
            assert (one["name"], one["rows"]) == (names[i], count[i])
            assert one[f"recall_{name}"] == pytest.approx(recall[i])
            if one[f"precision_{name}"] is not None:
                assert one[f"precision_{name}"] == pytest.approx(precision[i])
    changed = {item["row"]: item for item in found["changed"]}
    moved = np.flatnonzero(answered["before"] != answered["after"])
    assert set(changed) == set(rows.rows[moved].tolist()) and len(moved)
    for i in moved:
        item = changed[int(rows.rows[i])]
        assert item["after"] == names[answered["after"][i]]
        right = [answered[time][i] == rows.targets[i] for time in ("before", "after")]
        word = {(True, False): "wrong", (False, True): "right", (False, False): "otherwise wrong"}
        assert item["became"] == word[tuple(right)]


def test_a_model_that_was_not_compressed_has_one_column_and_no_changes(config, store):
    _, after = files(config, store)
    data = load(DIGITS)
    found = compared(None, after, data.validation, data.info.classes)
    assert list(found["confusion"]) == ["after"] and found["changed"] == []
    assert "recall_before" not in found["classes"][0]


def test_a_regressions_errors_and_largest_changes(config, store):
    dataset = LinearMap()
    recipe = (Train(epochs=2), *config.recipe[3:])
    before, after = files(replace(config, dataset=dataset, model=Linear(), recipe=recipe), store)
    rows = load(dataset).validation
    found = compared(before, after, rows, ())
    outputs = [onnx.run(onnx.session(file), rows.inputs) for file in (before, after)]
    assert len(found["outputs"]) == rows.targets.shape[1]
    error = np.sqrt(np.mean((outputs[1][:, 0] - rows.targets[:, 0]) ** 2))
    assert found["outputs"][0]["rmse_after"] == pytest.approx(error)
    assert found["rmse"]["after"] == pytest.approx(
        np.sqrt(np.mean((outputs[1].astype(np.float64) - rows.targets) ** 2))
    )
    largest = int(np.abs(outputs[1] - outputs[0]).max(1).argmax())
    assert found["changed"][0]["row"] == rows.rows[largest]
    assert found["changed"][0]["before"] == pytest.approx(outputs[0][largest].tolist())
