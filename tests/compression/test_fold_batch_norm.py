import pytest
import torch
from torch import nn

from automl.compression.fold_batch_norm import fold_batch_norm
from automl.models.convnet import ConvNet
from automl.models.family import dump, restore
from automl.models.mlp import MLP


@pytest.mark.parametrize("family", [MLP((16, 8)), ConvNet((8, 16))])
def test_folding_keeps_the_function_and_removes_the_norms(family, build):
    network = build(family)
    rows = torch.randn(64, 1, 8, 8)
    network.train()(rows)
    folded = fold_batch_norm(network)
    assert not any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in folded.modules())
    assert torch.allclose(folded(rows), network.eval()(rows), atol=1e-5)
    files = dump(folded)
    again = restore(files["weights.safetensors"], files["spec.json"]).eval()
    assert torch.equal(again(rows), folded(rows))
