"""Each private name of torch that the package reads still means what it meant."""

import pytest
from torch import nn
from torch.nn.utils import remove_spectral_norm, spectral_norm

from automl.models.torch_patches import forget_spectral_norm, has_hooks


@pytest.mark.parametrize(
    ("name", "register"),
    [
        ("_forward_hooks", "register_forward_hook"),
        ("_forward_pre_hooks", "register_forward_pre_hook"),
        ("_backward_hooks", "register_full_backward_hook"),
    ],
)
def test_a_registered_hook_stands_under_the_private_name(name, register):
    layer = nn.Linear(2, 2)
    assert not has_hooks(layer)
    handle = getattr(layer, register)(lambda *call: None)
    assert len(getattr(layer, name)) == 1 and has_hooks(layer)
    handle.remove()
    assert not has_hooks(layer)


def test_a_spectral_norm_that_was_removed_leaves_a_state_that_loads():
    layer = remove_spectral_norm(spectral_norm(nn.Linear(2, 2)))
    with pytest.raises(RuntimeError, match="weight_orig"):
        layer.load_state_dict(layer.state_dict())
    forget_spectral_norm(layer)
    layer.load_state_dict(layer.state_dict())
