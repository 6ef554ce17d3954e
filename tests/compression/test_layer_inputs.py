"""Products of what layers read: whatever comes at a time, and in how little memory."""

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from automl.compression import layer_inputs
from automl.compression.layer_inputs import products_of, squares_of
from automl.models.family import untrained
from automl.models.imported import Imported


class Convolutions(nn.Module):
    """Convolutions of which the second reads many rows; the third reads some and then none."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 2, 3, groups=2)
        self.third, self.head = nn.Conv1d(2, 2, 3), nn.Linear(2 * 34, 10)

    def forward(self, rows):
        x = self.second(self.first(rows).relu()).flatten(2)
        x = torch.cat([self.third(x), self.third(x[:0])])
        return self.head(x.flatten(1))


class Largest(TorchFunctionMode):
    """Notes the bytes of the largest result of a convolution."""

    def __init__(self):
        super().__init__()
        self.num_bytes = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if getattr(function, "__name__", "") in ("conv1d", "conv2d"):
            self.num_bytes = max(self.num_bytes, result.nbytes)
        return result


def products(network, context):
    names = ["first", "second", "third", "head"]
    layers = {name: network.body.get_submodule(name) for name in names}
    found = dict(squares_of(network, layers, context))
    for name, layer in layers.items():
        square, shared = products_of(network, network, name, layer, context)
        found |= {f"{name} square": square, f"{name} shared": shared}
    return found


def test_many_patches_are_taken_in_parts_and_add_up_to_the_same(context, monkeypatch):
    torch.manual_seed(0)
    network = untrained(Imported(Convolutions), context.data.info).eval()
    with Largest() as whole:
        expected = products(network, context)
    monkeypatch.setattr(layer_inputs, "MOST_BYTES", 2**20)
    with Largest() as parts:
        found = products(network, context)
    assert parts.num_bytes <= 2**20 < 2 * 2**20 < whole.num_bytes
    assert found.keys() == expected.keys() and len(found) == 12
    for name, own in found.items():
        torch.testing.assert_close(own, expected[name], rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(layer_inputs, "MOST_BYTES", 1)
    once = squares_of(network, {"second": network.body.second}, context)["second"]
    torch.testing.assert_close(once, expected["second"], rtol=1e-4, atol=1e-5)
