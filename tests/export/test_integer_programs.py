"""Layers of a program that are computed with integers, and those that are held as floats."""

import pytest
import torch
from helpers.trials import finish
from torch import nn

from automl.compression.quantize import Quantize
from automl.export.integer_programs import know_operators, traced_with_integers
from automl.export.traced import deployed_copy, example_rows
from automl.models.family import untrained
from automl.models.imported import Imported
from automl.training.loop import Train

pytest.importorskip("torchao")


class Again(nn.Module):
    """A layer that reads its own result, which a norm that is not rounded reads at last."""

    def __init__(self):
        super().__init__()
        self.first, self.again, self.norm = nn.Linear(64, 64), nn.Linear(64, 64), nn.LayerNorm(64)
        self.head = nn.Linear(64, 10)

    def forward(self, rows):
        x = self.first(rows.flatten(1)).relu()
        for _ in range(2):
            x = self.again(x).relu()
        return self.head(self.norm(x))


def test_a_layer_with_one_call_that_no_rounding_follows_is_held_as_floats(context):
    network = untrained(Imported(Again), context.data.info).eval()
    quantized = finish(Quantize(training=Train(epochs=0)).run(network, context))
    know_operators()
    deployed, rows = deployed_copy(quantized, context.data), example_rows(context.data, 4)
    answers = deployed(rows)
    made = traced_with_integers(deployed, rows, 32, "ExecuTorch", has_codes=True)
    assert made.integers == ("model.body.first",)
    assert made.floats == ("model.body.again", "model.body.head")
    given = made.program.module()(rows)
    torch.testing.assert_close(given, answers, rtol=0.05, atol=0.05 * answers.abs().max().item())
