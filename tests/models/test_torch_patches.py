"""Each private name of torch that the package reads still means what it meant."""

import pytest
from torch import nn
from torch.nn.utils import remove_spectral_norm, spectral_norm

from automl.models.torch_patches import forget_spectral_norm, old_norms


def test_an_old_norm_is_found_and_a_layer_that_had_one_loads_its_state():
    layer = spectral_norm(nn.Linear(2, 2))
    assert old_norms(layer) == [("spectral", "weight")]
    remove_spectral_norm(layer)
    assert old_norms(layer) == []
    with pytest.raises(RuntimeError, match="weight_orig"):
        layer.load_state_dict(layer.state_dict())
    forget_spectral_norm(layer)
    layer.load_state_dict(layer.state_dict())
