"""A network as steps may leave it, told by shapes alone."""

from dataclasses import replace

import pytest
from helpers.families import IMAGE
from helpers.trials import DIGITS, load

from automl.models.convnet import ConvNet
from automl.models.mlp import MLP
from automl.models.possible_network import before_any_step


@pytest.fixture
def network():
    (network,) = before_any_step(MLP((32, 16)), load(DIGITS).info)
    return network


def test_an_untrained_network_has_the_layers_of_its_family(network):
    assert [layer.weight_shape for layer in network.shape.layers] == [(32, 64), (16, 32), (10, 16)]
    assert network.expected_macs == network.shape.macs == 64 * 32 + 32 * 16 + 16 * 10
    assert network.family == MLP((32, 16))


def test_of_a_family_that_cannot_take_the_rows_nothing_is_known():
    info = replace(load(DIGITS).info, input_shape=(64,))
    assert info.input_shape != IMAGE and before_any_step(ConvNet((8,)), info) == []


def test_fewer_bits_leave_the_work_and_no_family(network):
    coarse = network.with_bits({"head": 4})
    assert [layer.bits for layer in coarse.shape.layers] == [32, 32, 4]
    assert coarse.expected_macs == network.expected_macs
    assert coarse.family is None and coarse.groups() == () and coarse.blocks() == ()
    assert [layer.name for layer in coarse.float_layers(keep=("block0",))] == ["block1.linear"]


def test_a_narrower_family_keeps_what_may_be_zero(network):
    sparse = network.with_least_nonzero({"head": 5})
    assert sparse.shape.is_partly_zeros and not network.shape.is_partly_zeros
    (whole,) = network.as_family(MLP((8, 8)), MLP((16, 8)))
    (holed,) = sparse.as_family(MLP((8, 8)), MLP((16, 8)))
    assert whole.shape.macs == 64 * 8 + 8 * 8 + 8 * 10
    assert whole.expected_macs == 64 * 16 + 16 * 8 + 8 * 10
    assert not whole.shape.is_partly_zeros
    assert all(layer.least_nonzero == 0 for layer in holed.shape.layers)


def test_without_a_block_each_that_can_go_is_possible():
    (network,) = before_any_step(MLP((16, 16)), load(DIGITS).info)
    left = network.without_blocks(1)
    assert [after.family for after in left] == [MLP((16,))]
    assert network.without_blocks(2) == []
