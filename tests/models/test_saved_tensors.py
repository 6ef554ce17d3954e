"""Tensors of several names stand in a file once, and come back under each name."""

import torch
from helpers.families import SHARED, built, parametrized

from automl.models.family import count_parameters, dump, restore
from automl.models.saved_tensors import loaded, saved


def test_a_tensor_of_two_names_is_saved_once():
    weight = torch.arange(512.0).reshape(16, 32)
    alone = len(saved({"a": weight}))
    file = saved({"a": weight, "tied": weight, "empty": weight[:0], "none": weight[:0]})
    assert len(file) < alone + 256
    found = loaded(file)
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == {
        **dict.fromkeys(("a", "tied"), (16, 32)),
        **dict.fromkeys(("empty", "none"), (0, 32)),
    }
    assert found["tied"].equal(weight)
    assert len(saved({"a": weight, "part": weight[:8], "turned": weight.T})) > 2.5 * alone - 500


@parametrized(SHARED)
def test_a_network_of_shared_weights_is_saved_once(family, shape):
    network = built(family, shape)
    files = dump(network)
    buffers = sum(buffer.numel() * buffer.element_size() for buffer in network.buffers())
    least = 4 * count_parameters(network) + buffers
    assert least <= len(files["weights.safetensors"]) < least + 150 * len(network.state_dict())
    again = restore(*files.values())
    for (name, tensor), other in zip(
        network.state_dict().items(), again.state_dict().values(), strict=True
    ):
        assert tensor.equal(other), name
