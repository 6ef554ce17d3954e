from dataclasses import replace

import numpy as np
import pytest
from helpers.trials import DIGITS, drive, load
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from automl.data.linear_map import LinearMap
from automl.measure.predictions import (
    ClassComparison,
    NumberComparison,
    as_json,
    compare,
)
from automl.models.linear import Linear
from automl.runtimes import onnx
from automl.space.store_keys import prefix_keys
from automl.training.loop import Train
from automl.trial.trial import PARENT_FILE


def files(config, store):
    """The uncompressed parent's and the model's."""
    _, result = drive(config, store)
    parent = store.read(prefix_keys(config)[0], PARENT_FILE)
    return parent, store.read(result.key, "model.onnx")


def test_classes_before_and_after_compression(config, store):
    before, after = files(config, store)
    data = load(DIGITS)
    rows, names = data.validation, data.info.classes
    comparison = compare(before, after, rows, names)
    assert isinstance(comparison, ClassComparison)
    answered = {
        name: onnx.run(onnx.session(file), rows.inputs).argmax(1)
        for name, file in (("before", before), ("after", after))
    }
    for name, own in answered.items():
        confusion = getattr(comparison.confusion, name)
        assert np.array_equal(confusion, confusion_matrix(rows.targets, own))
        precision, recall, _, count = precision_recall_fscore_support(
            rows.targets, own, zero_division=np.nan
        )
        for i, answers in enumerate(comparison.classes):
            rates = getattr(answers.rates, name)
            assert (answers.name, answers.num_rows) == (names[i], count[i])
            assert rates.recall == pytest.approx(recall[i])
            if np.isnan(precision[i]):
                assert rates.precision is None
            else:
                assert rates.precision == pytest.approx(precision[i])
    changed = {item.row: item for item in comparison.changed}
    moved = np.flatnonzero(answered["before"] != answered["after"])
    assert set(changed) == set(rows.rows[moved].tolist()) and len(moved)
    for i in moved:
        item = changed[int(rows.rows[i])]
        assert item.after == names[answered["after"][i]]
        right = [answered[time][i] == rows.targets[i] for time in ("before", "after")]
        word = {(True, False): "wrong", (False, True): "right", (False, False): "otherwise wrong"}
        assert item.became == word[tuple(right)]


def test_a_model_that_was_not_compressed_has_one_column_and_no_changes(config, store):
    _, after = files(config, store)
    data = load(DIGITS)
    comparison = compare(None, after, data.validation, data.info.classes)
    assert comparison.confusion.before is None and comparison.changed == ()
    assert comparison.classes[0].rates.before is None
    plain = as_json(comparison)
    assert list(plain["confusion"]) == ["after"]
    assert list(plain["classes"][0]) == ["name", "rows", "precision_after", "recall_after"]


def test_a_regressions_errors_and_largest_changes(config, store):
    dataset = LinearMap()
    recipe = (Train(epochs=2), *config.recipe[3:])
    before, after = files(replace(config, dataset=dataset, model=Linear(), recipe=recipe), store)
    rows = load(dataset).validation
    comparison = compare(before, after, rows, ())
    assert isinstance(comparison, NumberComparison)
    outputs = [onnx.run(onnx.session(file), rows.inputs) for file in (before, after)]
    assert len(comparison.output_rmse) == rows.targets.shape[1]
    error = np.sqrt(np.mean((outputs[1][:, 0] - rows.targets[:, 0]) ** 2))
    assert comparison.output_rmse[0].after == pytest.approx(error)
    assert comparison.rmse.after == pytest.approx(
        np.sqrt(np.mean((outputs[1].astype(np.float64) - rows.targets) ** 2))
    )
    largest = int(np.abs(outputs[1] - outputs[0]).max(1).argmax())
    assert comparison.changed[0].row == rows.rows[largest]
    assert comparison.changed[0].before == pytest.approx(outputs[0][largest].tolist())
    plain = as_json(comparison)
    assert plain["outputs"][0]["rmse_before"] == comparison.output_rmse[0].before
    assert "became" not in plain["changed"][0]
