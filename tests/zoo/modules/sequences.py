"""Recurrent modules, and attention in the ways in which people write it.

Sources: pytorch/pytorch #126339, #105233, #18056, #148886, #157621, #111676;
VainF/Torch-Pruning #515; own ideas.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.declared import declared


@declared("series", refused="batch|cell")
class GruAndCell(nn.Module):
    """Convolutions, a GRU, and a GRUCell stepped by hand over len(x) rows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv1d(8, 32, 5, 2, 2), nn.BatchNorm1d(32), nn.ReLU())
        self.gru, self.cell = nn.GRU(32, 48, batch_first=True), nn.GRUCell(48, 32)
        self.head = nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.gru(self.conv(x).transpose(1, 2))
        h = x.new_zeros(len(x), 32)
        for step in range(0, x.size(1), 4):
            h = self.cell(x[:, step], h)
        return self.head(h)


@declared("series")
class Lstm(nn.Module):
    """Two bidirectional layers, of which the last states are classified."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 32, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        _, (h, _) = self.lstm(x.transpose(1, 2))
        return self.head(torch.cat([h[-2], h[-1]], 1))


@declared("text")
class LstmOfText(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm = nn.Embedding(256, 32), nn.LSTM(32, 48, batch_first=True)
        self.head = nn.Linear(48, 8)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.lstm(self.embed(x))
        return self.head(out.mean(1))


@declared("text")
class TablesInBuffers(nn.Module):
    """Sines of positions, a causal mask that is not saved, and a DCT matrix."""

    def __init__(self, dim: int = 48, length: int = 64) -> None:
        super().__init__()
        rates = torch.exp(-math.log(1e4) * torch.arange(0, dim, 2) / dim)
        place = torch.arange(length)[:, None] * rates
        self.register_buffer("places", torch.stack([place.sin(), place.cos()], 2).flatten(1))
        mask = torch.full((length, length), float("-inf")).triu(1)
        self.register_buffer("mask", mask, persistent=False)
        steps = (torch.arange(256)[:, None] + 0.5) * torch.arange(dim)
        self.register_buffer("table", torch.cos(math.pi / 256 * steps))
        self.embed, self.qkv = nn.Embedding(256, dim), nn.Linear(dim, 3 * dim)
        self.out, self.up = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.head = nn.Linear(2 * dim, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x) + self.table[x] + self.places[: x.size(1)]
        q, k, v = self.qkv(x).chunk(3, -1)
        weights = (q @ k.transpose(1, 2) * 48**-0.5 + self.mask).softmax(-1)
        x = x + self.out(weights @ v)
        return self.head(self.up(x.mean(1)).relu())


@declared("text")
class MaskedEncoder(nn.Module):
    """Positions by arange over the length, a padding mask, a masked mean."""

    def __init__(self, dim: int = 48) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(256, dim, padding_idx=0), nn.Embedding(128, dim)
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 8)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        mask = (x != 0).unsqueeze(1)
        h = self.embed(x) + self.place(torch.arange(x.size(1), device=x.device))[None]
        b, n, c = h.shape
        q, k, v = (f(h).view(b, n, 4, c // 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        seen = F.scaled_dot_product_attention(q, k, v, mask[:, None])
        h = h + self.o(seen.transpose(1, 2).reshape(b, n, c))
        h = h + self.down(F.gelu(self.up(self.norm(h))))
        weight = mask.transpose(1, 2).float()
        return self.head((h * weight).sum(1) / weight.sum(1).clamp_min(1))


@declared("images", refused="batch|len(")
class KeepsAttention(nn.Module):
    """A ViT that keeps its attention weights, and takes len(x) for the batch."""

    def __init__(self, dim: int = 48, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.patch = heads, nn.Conv2d(3, dim, 4, 4)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 8)
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos = nn.Parameter(torch.randn(1, 17, dim) * 0.02)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.attention = None

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.pos
        b, n, c = x.shape
        parts = self.qkv(self.norm(x)).reshape(b, n, 3, self.heads, c // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        self.attention = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(-1)
        x = x + self.out((self.attention @ v).transpose(1, 2).reshape(b, n, c))
        x = x + self.down(F.gelu(self.up(self.norm(x))))
        return self.head(x[:, 0])


@declared("images", refused="batch|len(")
class LengthOfBatch(nn.Module):
    """len(x) as the batch size."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.cls = nn.Conv2d(3, 32, 4, 4), nn.Parameter(torch.randn(1, 1, 32))
        self.b, self.head = nn.Linear(32, 64), nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1)
        return self.head(self.b(x).relu().mean(1))


@declared("series")
class MultiheadAttention(nn.Module):
    """torch's own attention between linear layers, and a second one that reads another tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Linear(8, 48), nn.LayerNorm(48)
        self.attention = nn.MultiheadAttention(48, 4, batch_first=True)
        self.query = nn.Parameter(torch.randn(1, 1, 48))
        self.pool = nn.MultiheadAttention(48, 2, kdim=48, vdim=48, bias=False, batch_first=True)
        self.head = nn.Linear(48, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.transpose(1, 2))
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x, _ = self.pool(self.query.expand(x.size(0), -1, -1), x, x)
        return self.head(x[:, 0])


@declared("series", blocks="encoder.layers.0 encoder.layers.1")
class TransformerEncoder(nn.Module):
    """torch's encoder, batch_first."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(8, 48), nn.Linear(48, 8)
        self.place = nn.Parameter(torch.randn(32, 48) * 0.1)
        layer = nn.TransformerEncoderLayer(48, 4, 96, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.stem(x.transpose(1, 2)) + self.place).mean(1))


@declared("series", blocks="encoder.layers.0 encoder.layers.1")
class TransformerNormFirst(nn.Module):
    """torch's encoder with norms first, rows second, a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(8, 48), nn.Linear(48, 8)
        layer = nn.TransformerEncoderLayer(48, 4, 96, norm_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(
            layer, 2, norm=nn.LayerNorm(48), enable_nested_tensor=False
        )
        self.register_buffer("mask", torch.full((32, 32), float("-inf")).triu(1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.permute(2, 0, 1))
        return self.head(self.encoder(x, mask=self.mask)[-1])


@declared("series")
class EinsumAttention(nn.Module):
    """Attention by einsum, with weights (heads, inputs, outputs) of its own."""

    def __init__(self, dim: int = 48, heads: int = 4) -> None:
        super().__init__()
        self.stem, size = nn.Linear(8, dim), dim // heads
        self.q, self.k, self.v = (
            nn.Parameter(torch.randn(heads, dim, size) * dim**-0.5) for _ in range(3)
        )
        self.out = nn.Parameter(torch.randn(heads, size, dim) * dim**-0.5)
        self.up, self.head = nn.Linear(dim, 96), nn.Linear(96, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.transpose(1, 2))
        q, k, v = (torch.einsum("btd,hde->bhte", x, w) for w in (self.q, self.k, self.v))
        weights = (torch.einsum("bhte,bhse->bhts", q, k) * q.size(-1) ** -0.5).softmax(-1)
        seen = torch.einsum("bhts,bhse->bhte", weights, v)
        x = x + torch.einsum("bhte,hed->btd", seen, self.out)
        return self.head(self.up(x).relu().mean(1))


class MixerBlock(nn.Module):
    def __init__(self, tokens: int, dim: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.tokens = nn.Sequential(
            nn.Linear(tokens, 32), nn.GELU(), nn.Dropout(0.1), nn.Linear(32, tokens)
        )
        self.channels = nn.Sequential(nn.Linear(dim, 96), nn.GELU(), nn.Linear(96, dim))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


@declared("images", blocks="blocks.0 blocks.1")
class Mixer(nn.Module):
    """MLP-Mixer: linear layers over patches and over channels in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.norm, self.head = (
            nn.Conv2d(3, 48, 4, 4),
            nn.LayerNorm(48),
            nn.Linear(48, 8),
        )
        self.blocks = nn.Sequential(MixerBlock(16, 48), MixerBlock(16, 48))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.patch(x).flatten(2).mT)).mean(1))


@declared("series")
class Gated(nn.Module):
    """Gated linear units: torch's own, and two linear layers multiplied (SwiGLU)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.glu = nn.Conv1d(8, 96, 3, padding=1), nn.GLU(dim=1)
        self.gate, self.up, self.down = (
            nn.Linear(48, 96),
            nn.Linear(48, 96),
            nn.Linear(96, 48),
        )
        self.head = nn.Linear(48, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.glu(self.conv(x)).transpose(1, 2)
        x = x + self.down(F.silu(self.gate(x)) * self.up(x))
        return self.head(x.mean(1))


@declared("text")
class BagOfBytes(nn.Module):
    """torch's EmbeddingBag, then linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(256, 64, mode="mean", padding_idx=0)
        self.net = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 8))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.bag(x))


@declared("text")
class TextConvolutions(nn.Module):
    """Kim's convolutions of several widths over embeddings, each pooled by its maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(256, 32, padding_idx=0)
        self.convs = nn.ModuleList(nn.Conv2d(1, 32, (width, 32)) for width in (3, 4, 5))
        self.drop, self.head = nn.Dropout(0.1), nn.Linear(96, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).unsqueeze(1)
        parts = [F.relu(conv(x)).squeeze(3) for conv in self.convs]
        parts = [F.max_pool1d(part, part.size(2)).squeeze(2) for part in parts]
        return self.head(self.drop(torch.cat(parts, 1)))
