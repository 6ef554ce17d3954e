"""A layer's settings build a layer like it."""

import pytest
import torch
from torch import nn

from automl.config import decode, encode
from automl.models.plain_layers import described


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(3, 5, bias=False),
        nn.Conv1d(4, 6, 3, stride=2, padding="valid", groups=2),
        nn.Conv2d(4, 6, (1, 3), padding=(0, 1), dilation=2, padding_mode="reflect"),
    ],
)
def test_a_described_layer_is_built_again(layer):
    again = decode(encode(described(layer))).build()
    assert str(again) == str(layer)
    again.load_state_dict(layer.state_dict())
    rows = torch.randn(2, *{2: (3,), 3: (4, 9), 4: (4, 9, 9)}[layer.weight.dim()])
    assert torch.equal(again(rows), layer(rows))
