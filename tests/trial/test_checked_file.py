from dataclasses import replace

import numpy as np
import torch
from helpers.trials import drive
from torch import nn

from automl.compression import calibration
from automl.compression.quantize import Quantize
from automl.export import onnx
from automl.measure import gate
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.runtimes import onnx as runtime
from automl.space.store_keys import prefix_keys
from automl.trial import checked_file
from automl.trial.checked_file import check_file, check_uncompressed
from automl.trial.prefixes import PARENT_FILE


class OtherwiseInFiles(nn.Module):
    """Computes something else when it is exported."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, rows):
        answers = self.linear(rows.flatten(1))
        return -answers if torch.onnx.is_in_onnx_export() else answers


def test_a_wrong_uncompressed_file_is_told_before_any_compression(config, store):
    recipe = (config.recipe[0], Quantize())
    _, result = drive(replace(config, model=Imported(OtherwiseInFiles), recipe=recipe), store)
    assert result.status == "rejected"
    assert result.reason.startswith("already the uncompressed file is wrong: it disagrees")
    assert store.read(prefix_keys(config)[0], PARENT_FILE) is None
    assert set(result.stages) == {"train"}


def test_a_file_is_held_against_its_network_on_all_rows_or_some(build, context):
    network = build(MLP((8,)))
    file = onnx.export(network, context.data)
    inputs = context.data.validation.inputs
    answers = check_file(file, network, context.data)
    assert np.array_equal(answers, runtime.run(runtime.session(file), inputs))
    check_uncompressed(file, network, context.data)


def test_a_file_of_a_large_network_is_held_against_it_on_some_rows(build, context, monkeypatch):
    network = build(MLP((8,)))
    compared = []
    monkeypatch.setattr(gate, "check", lambda *given, **more: compared.append(given[1:3]))
    monkeypatch.setattr(checked_file, "MOST_ROWS", 10)
    check_file(b"", network, context.data)
    monkeypatch.setattr(calibration, "LARGE", 10)
    check_file(b"", network, context.data)
    count = len(context.data.validation.inputs)
    found = [(len(rows), len(expected.answers)) for rows, expected in compared]
    assert found == [(count, count), (count, 10)]
