import pytest
import torch
from torch import nn

from automl.models.residual_blocks import Bypassed, ResidualBlock, residual_blocks


class Add(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, rows):
        return rows + self.down(self.up(self.norm(rows)).relu())


class AddInPlace(Add):
    def forward(self, rows):
        made = self.down(self.up(rows))
        made += rows
        return made.relu()


class GivesTuple(Add):
    def forward(self, rows, mask=None):
        return (super().forward(rows), None)


class GivesMore(Add):
    def forward(self, rows):
        return (super().forward(rows), rows)


class Stage(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(Add(), Add())

    def forward(self, rows):
        return self.layers(rows)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, rows):
        return rows + self.inner(rows, rows, rows, need_weights=False)[0]


class Encoder(nn.Module):
    """A residual attention within a block that is residual as a whole."""

    def __init__(self):
        super().__init__()
        self.attention, self.up, self.down = Attention(), nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, rows):
        rows = self.attention(rows)
        return rows + self.down(self.up(rows).relu())


class Residual(nn.Sequential):
    def forward(self, rows):
        return rows + super().forward(rows)


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(8, 8))

    def forward(self, rows):
        return rows + self.table


class Repeated(nn.Module):
    def __init__(self):
        super().__init__()
        self.block, self.head = Add(), nn.Linear(8, 10)

    def forward(self, rows):
        return self.head(self.block(self.block(rows)))


class ByKeyword(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers, self.head = nn.ModuleList([GivesTuple(), GivesTuple()]), nn.Linear(8, 10)

    def forward(self, rows):
        for layer in self.layers:
            rows = layer(mask=None, rows=rows)[0]
        return self.head(rows)


class Pairs(nn.Module):
    """Branches of two layers in two lists, neither of which can go alone."""

    def __init__(self):
        super().__init__()
        self.up = nn.ModuleList(nn.Linear(8, 16) for _ in range(3))
        self.down = nn.ModuleList(nn.Linear(16, 8) for _ in range(3))

    def forward(self, rows):
        for up, down in zip(self.up, self.down, strict=True):
            rows = rows + down(up(rows).relu())
        return rows


def torchs_own():
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (nn.Sequential(Add(), AddInPlace(), nn.Linear(8, 10)), ["0", "1"]),
        (nn.Sequential(Residual(nn.Linear(8, 8), nn.GELU()), nn.Linear(8, 10)), ["0"]),
        (nn.Sequential(Stage(), Add()), ["0.layers.0", "0.layers.1", "1"]),
        (nn.Sequential(Encoder(), Encoder()), ["0", "1"]),
        (nn.Sequential(torchs_own(), torchs_own()), ["0", "1"]),
        (nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)), []),
        (nn.Sequential(Positions(), Add()), ["1"]),
        (nn.Sequential(GivesMore()), []),
        (Repeated(), []),
        (Pairs(), []),
    ],
)
def test_a_block_adds_what_it_reads_to_what_it_makes_of_it(body, names):
    assert [block.name for block in residual_blocks(body, torch.randn(2, 8, 8))] == names


def test_what_gives_a_tuple_and_is_called_by_keyword_is_a_block_too():
    found = residual_blocks(ByKeyword(), torch.randn(2, 8, 8))
    assert found == [ResidualBlock("layers.0", 2), ResidualBlock("layers.1", 2)]


class Reads(nn.Module):
    """Attention of latents to a context, which comes first."""

    def __init__(self):
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, context, latents):
        return latents + self.inner(latents, context, context, need_weights=False)[0]


class Latents(nn.Module):
    def __init__(self):
        super().__init__()
        self.latents = nn.Parameter(torch.randn(3, 8))
        self.layers, self.head = nn.ModuleList([Reads(), Reads()]), nn.Linear(8, 10)

    def forward(self, rows):
        latents = self.latents.expand(len(rows), -1, -1)
        for layer in self.layers:
            latents = layer(rows, latents=latents)
        return self.head(latents)


def test_a_block_that_reads_a_context_first_gives_its_latents_when_it_goes():
    found = residual_blocks(Latents(), torch.randn(2, 5, 8))
    assert found == [ResidualBlock("layers.0", place=1), ResidualBlock("layers.1", place=1)]
    context, latents = torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    bypass = Bypassed(place=found[0].place).rebuild(Reads())
    assert bypass(context, latents) is bypass(context, latents=latents) is latents
