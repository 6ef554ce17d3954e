"""Each private name of torch that the package reads still means what it meant."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, remove_spectral_norm, spectral_norm, weight_norm

from automl.models.torch_patches import (
    begin_autocast_in_fp32,
    end_autocast_in_fp32,
    follow_computed_weights,
    forget_spectral_norm,
    has_hooks,
    old_norms,
    times_changed,
)


class Twice(nn.Module):
    def forward(self, weight):
        return 2 * weight


def test_a_recurrent_layer_reads_a_weight_that_is_computed():
    layer, other = nn.GRU(3, 4), nn.GRU(3, 4)
    other.load_state_dict(layer.state_dict())
    other.weight_hh_l0.data *= 2
    assert len(layer._flat_weights) == len(layer._flat_weights_names) == 4
    parametrize.register_parametrization(layer, "weight_hh_l0", Twice(), unsafe=True)
    follow_computed_weights(layer)
    rows = torch.randn(5, 2, 3)
    assert torch.equal(layer(rows)[0], other(rows)[0])
    layer.to(torch.float64)
    assert layer(rows.double())[0].dtype == torch.float64


def test_old_norms_stand_in_hooks_that_name_their_tensor():
    assert old_norms(nn.Linear(2, 2)) == []
    assert old_norms(weight_norm(nn.Linear(2, 2))) == [("weight", "weight")]
    assert old_norms(spectral_norm(nn.Linear(2, 2))) == [("spectral", "weight")]


def test_a_layer_that_had_a_spectral_norm_loads_as_any_other_does():
    layer = remove_spectral_norm(spectral_norm(nn.Linear(2, 2)))
    assert len(layer._load_state_dict_pre_hooks) == 1  # once it is 0, the patch can go
    forget_spectral_norm(layer)
    layer.load_state_dict(nn.Linear(2, 2).state_dict())


def test_changes_in_place_are_counted():
    tensor = torch.zeros(2)
    assert times_changed(tensor) == 0
    tensor += 1
    assert times_changed(tensor) == 1
    with torch.inference_mode():
        assert times_changed(torch.zeros(2)) == 0


@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook"])
def test_a_registered_hook_is_found(register):
    layer = nn.Linear(2, 2)
    assert not has_hooks(layer)
    handle = getattr(layer, register)(lambda *call: None)
    assert has_hooks(layer)
    handle.remove()
    assert not has_hooks(layer)


def test_regions_of_autocast_compute_in_fp32_until_that_ends():
    rows, told = torch.ones(2, 2), []
    region = torch.autocast("cpu", torch.bfloat16)
    begin_autocast_in_fp32(told.append)
    with region:
        assert (rows @ rows).dtype == (rows.bfloat16() @ rows).dtype == torch.float32
    with torch.autocast("cpu", enabled=False):
        assert not torch.is_autocast_enabled("cpu")
    end_autocast_in_fp32()
    assert told == [torch.bfloat16]
    with region:
        assert (rows @ rows).dtype == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")
