"""Empty networks of a user's module: its own caches are as they would be without them."""

from functools import cache

import pytest
import torch
from torch import nn

from automl.config import canonical
from automl.models.empty_networks import EMPTY, empty_network
from automl.models.family import Network, Spec
from automl.models.imported import Imported
from automl.models.layer_shapes import network_shape


@cache
def positions(width):
    return torch.linspace(0, 1, width)


@cache
def scale(width):
    return torch.empty(width).fill_(2.0)


class Positioned(nn.Module):
    """Tables that a function keeps, made at first, and in each call."""

    def __init__(self, in_call=False):
        super().__init__()
        self.in_call, self.layer = in_call, nn.Linear(10, 3)
        self.register_buffer("positions", positions(10) * scale(10))

    def forward(self, rows):
        return self.layer(rows + self.positions * (scale(1) if self.in_call else 1))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        weight = nn.Parameter(torch.randn(10, 10))
        self.a, self.b, self.head = nn.Linear(10, 10), nn.Linear(10, 10), nn.LazyLinear(3)
        self.a.weight = self.b.weight = weight

    def forward(self, rows):
        return self.head(self.b(self.a(rows)))


def spec(family):
    return Spec(family, (10,), 3)


@pytest.mark.parametrize("in_call", [False, True])
def test_what_a_users_function_keeps_has_its_numbers(in_call):
    positions.cache_clear()
    scale.cache_clear()
    family = Imported(Positioned, options={"in_call": in_call})
    shape = network_shape(canonical(family), (10,), 3, 0)
    assert in_call or [layer.macs for layer in shape.layers] == [30]
    assert Network(spec(family))(torch.zeros(2, 10)).isfinite().all()


def test_no_tensor_has_numbers_and_no_random_number_is_drawn():
    before = torch.get_rng_state()
    network = empty_network(spec(Imported(Positioned)))
    assert {t.device.type for t in (*network.parameters(), *network.buffers())} == {EMPTY}
    assert torch.equal(torch.get_rng_state(), before)


def test_shared_weights_are_shared_and_lazy_layers_have_their_shapes():
    body = empty_network(spec(Imported(Tied))).body
    assert body.a.weight is body.b.weight
    assert (body.head.weight.shape, body.a.weight.device.type) == ((3, 10), EMPTY)
