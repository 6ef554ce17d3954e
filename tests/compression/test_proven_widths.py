"""Structure of modules that people have: heads, groups, gates, buffers, ties, recurrence."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from automl.compression.proven_widths import proven_cut, widths_of
from automl.models.family import Network, Spec, dump, restore
from automl.models.imported import Imported

IMAGE, TOKENS = (3, 8, 8), (12,)


class Heads(nn.Module):
    """Heads whose number and size forward reads from attributes; layer scale; a hidden width."""

    def __init__(self):
        super().__init__()
        self.heads, self.head_size, self.all_sizes = 4, 8, 32
        self.embed, self.qkv, self.out = nn.Embedding(50, 24), nn.Linear(24, 96), nn.Linear(32, 24)
        self.norm, self.scale = nn.LayerNorm(24), nn.Parameter(torch.full((24,), 0.5))
        self.up, self.down, self.head = nn.Linear(24, 48), nn.Linear(48, 24), nn.Linear(24, 8)

    def forward(self, x):
        x = self.norm(self.embed(x))
        q, k, v = (
            part.view(len(x), -1, self.heads, self.head_size).transpose(1, 2)
            for part in self.qkv(x).split(self.all_sizes, -1)
        )
        mixed = (q @ k.transpose(2, 3) / self.head_size**0.5).softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(len(x), -1, self.all_sizes))
        x = x + self.scale * self.down(F.gelu(self.up(x)))
        return self.head(self.norm(x).mean(1))


class Grouped(nn.Module):
    """Whole groups go; what reads them is depthwise with two units for each."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 32, 3, padding=1, groups=4)
        self.c, self.head = nn.Conv2d(32, 64, 3, groups=32), nn.Linear(64, 8)

    def forward(self, x):
        return self.head(self.c(self.b(self.a(x).relu()).relu()).relu().mean((2, 3)))


class Buffers(nn.Module):
    """A table and, of the same width, one that is not saved with the weights."""

    def __init__(self):
        super().__init__()
        self.register_buffer("places", torch.randn(12, 32))
        self.register_buffer("factor", torch.arange(16) / 8, persistent=False)
        self.embed, self.a = nn.Embedding(50, 32), nn.Linear(32, 16)
        self.b, self.head = nn.Linear(16, 16), nn.Linear(16, 8)

    def forward(self, x):
        x = (self.embed(x) + self.places).mean(1)
        return self.head(self.b(self.a(x).relu() * self.factor).relu())


class TwoNames(nn.Module):
    """One layer under two names."""

    def __init__(self):
        super().__init__()
        self.stem, self.first = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 16, 1)
        self.second, self.head = self.first, nn.Linear(16, 8)

    def forward(self, x):
        return self.head(self.second(self.first(self.stem(x).relu()).relu()).mean((2, 3)))


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(64, 16), nn.Linear(16, 16), nn.Linear(16, 16)
        self.c.weight, self.head = self.b.weight, nn.Linear(16, 8)

    def forward(self, x):
        x = self.a(x.mean(1).flatten(1)).relu()
        return self.head(self.c(self.b(x).relu()).relu())


class FlatAndPooled(nn.Module):
    """Flattened features beside pooled ones of the same convolution."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 16, 3), nn.Linear(80, 16), nn.Linear(16, 8)

    def forward(self, x):
        x = self.a(x).relu()
        x = torch.cat([F.adaptive_avg_pool2d(x, 2).flatten(1), x.mean((2, 3))], 1)
        return self.head(self.b(x).relu())


class Recurrent(nn.Module):
    """Two recurrent modules, one of them in both directions and with two layers."""

    def __init__(self):
        super().__init__()
        self.embed, self.gru = nn.Embedding(50, 16), nn.GRU(16, 24, batch_first=True)
        self.lstm = nn.LSTM(24, 16, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(32, 8)

    def forward(self, x):
        return self.head(self.lstm(self.gru(self.embed(x))[0])[0].mean(1))


class Encoder(nn.Module):
    """Torch's own encoder: its hidden width."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(16, 8)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x)).mean(1))


class Functional(nn.Module):
    """Weights without a layer; a gate on one of them."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(16, 3, 3, 3))
        self.matrix, self.gate = nn.Parameter(torch.randn(24, 16)), nn.Parameter(torch.zeros(24))
        self.head = nn.Linear(24, 8)

    def forward(self, x):
        x = F.conv2d(x, self.kernel, padding=1).relu().mean((2, 3))
        return self.head(F.linear(x, self.matrix).relu() * torch.sigmoid(self.gate))


class Gates(nn.Module):
    """A gated linear unit: each half has the width; a norm over half of the widths."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 32, 3), nn.Conv2d(16, 24, 1), nn.Linear(24, 8)
        self.norm, self.prelu = nn.BatchNorm2d(16, affine=False), nn.PReLU(24)

    def forward(self, x):
        return self.head(self.prelu(self.b(self.norm(F.glu(self.a(x), 1)))).mean((2, 3)))


class AuxiliaryHead(nn.Module):
    """A head that evaluation never calls, frozen layers, one in double precision."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(64, 16), nn.Linear(16, 16).double()
        self.aux, self.head = nn.Linear(16, 8), nn.Linear(16, 8)
        self.norm = nn.BatchNorm1d(16).requires_grad_(False)
        self.a.requires_grad_(False)

    def forward(self, x):
        x = self.norm(self.a(x.mean(1).flatten(1))).relu()
        return self.head(self.b(x.double()).relu().float())


class GroupNorms(nn.Module):
    """Convolutions whose units are scaled by groups, of two sizes along one residual."""

    def __init__(self):
        super().__init__()
        self.a, self.first = nn.Conv2d(3, 32, 3), nn.GroupNorm(8, 32)
        self.b, self.second = nn.Conv2d(32, 32, 3, padding=1), nn.GroupNorm(4, 32)
        self.head = nn.Linear(32, 8)

    def forward(self, x):
        x = self.first(self.a(x)).relu()
        return self.head((x + self.second(self.b(x))).relu().mean((2, 3)))


class Transposed(nn.Module):
    """A matrix that makes units, and reads them where it is turned."""

    def __init__(self):
        super().__init__()
        self.a, self.head = nn.Linear(48, 16, bias=False), nn.Linear(48, 8)

    def forward(self, x):
        x = x[..., :4].flatten(1)[:, :48]
        return self.head(F.linear(self.a(x).relu(), self.a.weight.t()) - x)


SIZES = {
    Heads: {"qkv": 4, "up": 48},
    Grouped: {"a": 4},
    Buffers: {"embed": 32, "b": 16},
    TwoNames: {"stem": 16},
    Tied: {"a": 16},
    FlatAndPooled: {"a": 16, "b": 16},
    Recurrent: {"embed": 16, "gru": 24, "lstm": 16},
    Encoder: {"encoder.layers.0.linear1": 32, "encoder.layers.1.linear1": 32},
    Functional: {"kernel": 16, "matrix": 24},
    Gates: {"a": 16, "b": 24},
    AuxiliaryHead: {"a": 16, "b": 16},
    GroupNorms: {"a": 4},
    Transposed: {"a": 16},
}
MODULES = {module.__name__: module for module in SIZES}


def made(name):
    """The factory of the tests' modules, by name."""
    return MODULES[name]()


def network_and_rows(module):
    torch.manual_seed(0)
    takes_tokens = hasattr(MODULES[module.__name__](), "embed")
    shape, num_tokens = (TOKENS, 50) if takes_tokens else (IMAGE, 0)
    family = Imported(made, options={"name": module.__name__})
    rows = torch.randint(0, 50, (8, *shape)) if num_tokens else torch.randn(8, *shape)
    return Network(Spec(family, shape, 8, num_tokens)).eval(), rows


def halved(network, rows):
    widths = widths_of(network, rows)
    kept = [torch.arange(group.size)[: group.size // 2] for group in widths.groups]
    return widths, proven_cut(network, widths, kept, rows)


@pytest.mark.parametrize("module", SIZES)
def test_widths_are_found_proven_and_cut(module):
    network, rows = network_and_rows(module)
    widths, smaller = halved(network, rows)
    assert {group.makers[0]: group.size for group in widths.groups} == SIZES[module]
    again = widths_of(smaller, rows).groups
    assert [group.size for group in again] == [group.size // 2 for group in widths.groups]
    files = dump(smaller)
    restored = restore(files["weights.safetensors"], files["spec.json"]).eval()
    assert torch.equal(restored(rows), smaller(rows))
    assert smaller(rows[:1]).shape == (1, 8)


def test_attributes_that_forward_reads_follow_the_heads():
    _, smaller = halved(*network_and_rows(Heads))
    body = smaller.body
    assert (body.heads, body.head_size, body.all_sizes) == (2, 8, 16)
    assert body.qkv.weight.shape == (48, 24)


def test_a_buffer_that_is_not_saved_is_named():
    network, rows = network_and_rows(Buffers)
    widths = widths_of(network, rows)
    assert widths.sentences == [
        "'a' stays as wide as it is: its units run through the buffer 'factor', "
        "which is not saved with the weights"
    ]
    assert "factor" in widths.reasons["a.weight"]


def test_what_is_frozen_stays_frozen_and_of_its_type_and_what_is_tied_tied():
    _, smaller = halved(*network_and_rows(AuxiliaryHead))
    frozen = {name for name, p in smaller.body.named_parameters() if not p.requires_grad}
    assert smaller.body.b.weight.dtype == torch.float64
    assert frozen == {"a.weight", "a.bias", "norm.weight", "norm.bias"}
    _, tied = halved(*network_and_rows(Tied))
    assert tied.body.b.weight is tied.body.c.weight
    assert tied.body.b.weight.shape == (8, 8)


def test_a_layer_that_evaluation_does_not_call_says_so():
    widths, _ = halved(*network_and_rows(AuxiliaryHead))
    assert widths.reasons["aux.weight"] == "it is not called in evaluation"
    assert widths.reasons["head.weight"] == "its units are the answers"
