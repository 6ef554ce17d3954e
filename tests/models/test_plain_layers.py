"""What cannot be replaced safely is refused by its name, in every step that replaces layers."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from automl.compression.binarize import Binarize
from automl.compression.clip import Clip
from automl.compression.factorize import Factorize
from automl.config import decode, encode
from automl.errors import Rejected
from automl.models.imported import Imported
from automl.models.plain_layers import described, plain_layers


class Tied(nn.Module):
    """Its two layers have one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
        self.second.weight = self.first.weight
        self.head = nn.Linear(64, 10)

    def forward(self, rows):
        return self.head(self.second(self.first(rows.flatten(1)).relu()))


class Attention(nn.Module):
    """torch's own, which reads the weight of a layer that it never calls."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(64, 10)

    def forward(self, rows):
        rows = rows.flatten(1).unflatten(1, (8, 8))
        return self.head(self.attention(rows, rows, rows)[0].flatten(1))


class Borrowed(nn.Module):
    """Its head's weight is read, the head not called."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, rows):
        return nn.functional.linear(rows.flatten(1), self.head.weight)


def twice():
    layer = nn.Linear(64, 64)
    return nn.Sequential(nn.Flatten(), layer, layer, nn.Linear(64, 10))


def hooked():
    layer = nn.Linear(64, 64)
    layer.register_forward_hook(lambda module, inputs, outputs: outputs + 1)
    return nn.Sequential(nn.Flatten(), layer, nn.Linear(64, 10))


def normed():
    return nn.Sequential(nn.Flatten(), weight_norm(nn.Linear(64, 64)), nn.Linear(64, 10))


UNSAFE = [
    (Tied, "first", "shares its weights with another layer"),
    (twice, "1", "shares its weights with another layer"),
    (hooked, "1", "has hooks, which would be lost"),
    (normed, "1", "is a ParametrizedLinear whose weight is not its own parameter"),
    (Attention, "attention.out_proj", "is a NonDynamicallyQuantizableLinear"),
]


@pytest.mark.parametrize("step", [Factorize(share=0.2), Clip(0.5), Binarize(epochs=1)])
@pytest.mark.parametrize(("factory", "name", "reason"), UNSAFE)
def test_what_is_unsafe_is_refused_by_name(step, factory, name, reason, build, context):
    sentence = f"^{type(step).__name__}: layer '{name}' {reason}.*; leave it out with keep="
    with pytest.raises(Rejected, match=sentence):
        list(step.run(build(Imported(factory)), context))


def test_what_is_never_called_is_refused_by_name(build, context):
    with pytest.raises(Rejected, match="layer 'head' is never called"):
        Factorize(share=0.2).apply(build(Imported(Borrowed)), context)


@pytest.mark.parametrize(
    ("factory", "keep", "left"),
    [
        (Tied, ("first", "second"), ["head"]),
        (twice, ("1", "2"), ["3"]),
        (Attention, ("attention",), ["head"]),
    ],
)
def test_what_is_kept_is_not_refused(factory, keep, left, build, context):
    network = build(Imported(factory))
    assert list(plain_layers(network, "Step", keep)) == left
    smaller = Factorize(share=0.2, keep=keep).apply(network, context)
    assert list(smaller.spec.layer_edits) == left
    rows = torch.randn(4, 1, 8, 8)
    assert smaller(rows).shape == (4, 10)


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
