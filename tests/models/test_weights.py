"""Tensors on which answers depend are told from those that play no part."""

import pytest
import torch
from torch import nn

from automl.models.weights import uses, weights


class Parts(nn.Module):
    """A head that reads what a subclass makes, and a layer whose result nothing reads."""

    def __init__(self):
        super().__init__()
        self.first, self.idle, self.head = nn.Linear(8, 4), nn.Linear(8, 4), nn.Linear(4, 2)

    def forward(self, rows):
        self.idle(rows).tanh()
        return self.head(self.features(rows))


class Plain(Parts):
    def features(self, rows):
        return self.first(rows)


class NoGradient(Parts):
    def features(self, rows):
        with torch.no_grad():
            return self.first(rows)


class Detached(Parts):
    def features(self, rows):
        return self.first(rows).detach()


class Chosen(Parts):
    """The bias alone hardly leaves another choice."""

    def __init__(self):
        super().__init__()
        self.first.bias.data = torch.tensor([0.0, 0.0, 2.0, 0.0])

    def features(self, rows):
        return nn.functional.one_hot(self.first(rows).argmax(1), 4).float()


class Refused(Parts):
    def features(self, rows):
        values = self.first(rows).detach()
        if values.abs().max() > 50:
            raise ValueError("too large")
        return values


class Unequal(Parts):
    """Its answers do not depend on the signs of its first layer, nor gradients on that."""

    def features(self, rows):
        return (rows @ self.first.weight.detach().T.square()).sign().relu()


@pytest.mark.parametrize("module", [Plain, NoGradient, Detached, Chosen, Refused, Unequal])
def test_what_answers_depend_on_is_used_with_gradients_and_without(module):
    torch.manual_seed(0)
    body = module().eval()
    before = {name: tensor.clone() for name, tensor in body.state_dict().items()}
    used = uses(body, weights(body), torch.randn(2, 8))
    assert set(used) == {"first.weight", "head.weight"}
    assert all(torch.equal(body.state_dict()[name], own) for name, own in before.items())
