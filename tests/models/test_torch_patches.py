"""Each private name of torch that the package reads still means what it meant."""

import pytest
from torch import nn

from automl.models.torch_patches import has_hooks


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
