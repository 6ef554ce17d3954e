import pytest
import torch
from torch import nn

from automl.models.watching import watching


def hidden():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def test_each_call_of_a_layer_is_noted_by_its_name():
    network, noted = hidden(), []
    rows = torch.ones(5, 3)
    with watching({"first": network[0], "last": network[2]}, lambda *call: noted.append(call)):
        answers = network(rows)
    (first, layer, inputs, _), (last, _, _, outputs) = noted
    assert (first, last) == ("first", "last")
    assert layer is network[0] and inputs[0] is rows and outputs is answers


def test_no_hook_is_left_when_the_body_raises():
    network = hidden()
    with pytest.raises(RuntimeError, match="mat1"), watching({"first": network[0]}, print):
        network(torch.ones(5, 7))
    assert not network[0]._forward_hooks


def test_no_hook_is_left_when_a_note_raises():
    network = hidden()

    def note(*call):
        raise ArithmeticError("no")

    with pytest.raises(ArithmeticError), watching({"first": network[0]}, note):
        network(torch.ones(5, 3))
    assert not network[0]._forward_hooks


class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = hidden()

    def forward(self, rows):
        with torch.autocast("cpu", torch.bfloat16):
            return self.layers(rows)


def test_within_a_region_of_autocast_numbers_are_noted_and_computed_with_in_fp32():
    network, kinds = Autocast(), set()

    def note(name, layer, inputs, outputs):
        kinds.update({inputs[0].dtype, outputs.dtype, (outputs @ outputs.T).dtype})

    with watching(dict(network.layers.named_children()), note):
        assert network(torch.ones(5, 3)).dtype == torch.bfloat16
    assert kinds == {torch.float32}
