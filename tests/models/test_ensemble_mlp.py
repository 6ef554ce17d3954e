import pytest
import torch

from automl.models.ensemble_mlp import EnsembleMLP
from automl.models.family import Network, Spec


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network(Spec(EnsembleMLP((16, 8), members=3), (5,), 2))


def answers_of_members(network, rows):
    """The answers (members, rows, outputs), each with the inputs' signs turned by hand."""
    blocks = [
        part for name, part in network.body.named_children() if name not in ("members", "mean")
    ]
    signs = 1 - 2 * network.body.members.turned.float()
    return torch.stack([torch.nn.Sequential(*blocks)(rows * own) for own in signs])


def test_a_row_is_answered_by_the_mean_of_all_members(network):
    rows = torch.randn(7, 5)
    each = answers_of_members(network, rows)
    torch.testing.assert_close(network.eval()(rows), each.mean(0))
    assert not torch.allclose(each[0], each[1])


def test_in_training_each_row_is_answered_by_one_member(network):
    rows = torch.randn(64, 5)
    each, learned = answers_of_members(network, rows), network.train()(rows)
    fits = torch.isclose(each, learned, atol=1e-6).all(2)
    assert fits.any(0).all() and fits.any(1).all()
