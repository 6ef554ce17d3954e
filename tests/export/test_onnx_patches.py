"""Each private name of torch's exporter that the package replaces is still what exports use."""

import torch
import torch._export.utils as exporting
from torch import nn
from torch.onnx._internal.exporter._registration import ONNXRegistry

from automl.export import onnx_patches
from automl.export.onnx_patches import keep_operators, masks_as_they_are, traced_once

ROWS = torch.linspace(-1, 1, 2 * 4 * 8).reshape(2, 4, 8)


class Masked(nn.Module):
    """An encoder whose places see those before them alone."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(4))

    def forward(self, rows):
        return self.encoder(rows, mask=self.mask)


class Halved(nn.Module):
    def forward(self, rows):
        return rows / 2


def exported(module=None):
    module = (module or nn.Linear(2, 2)).eval()
    torch.onnx.export(module, (torch.ones(1, 2),), dynamo=True, verbose=False)


def test_the_exporters_registry_is_made_once_for_all_files():
    keep_operators()
    exported()
    made = ONNXRegistry.from_torchlib
    assert made() is made()
    before = made.cache_info().hits
    exported()
    assert made.cache_info().hits > before


def test_the_operators_of_a_namespace_are_collected_once_for_all_files():
    keep_operators()
    exported()
    collected = exporting._collect_all_valid_cia_ops_for_namespace
    before = collected.cache_info()
    exported()
    after = collected.cache_info()
    assert after.hits > before.hits and after.misses == before.misses


def test_torchs_own_transformer_adds_its_mask_in_a_file():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False).eval()
    masked = Masked(encoder).eval()
    with masks_as_they_are():
        program = torch.onnx.export(masked, (ROWS,), dynamo=True, verbose=False)
    (answers,) = program(ROWS)
    assert torch.allclose(answers, masked(ROWS), atol=1e-5)


def test_a_program_is_gone_through_again_only_where_its_operators_ask_for_that(monkeypatch):
    asked = []
    for name in ("DECOMPOSED", "PROMOTED"):
        own = getattr(onnx_patches, name)
        counted = lambda *given, own=own, name=name: asked.append(name) or own(*given)  # noqa: E731
        monkeypatch.setattr(onnx_patches, name, counted)
    expected = {
        nn.Linear(2, 2): [],
        nn.BatchNorm1d(2): ["DECOMPOSED"],
        Halved(): ["PROMOTED"],
    }
    for module, again in expected.items():
        asked.clear()
        with traced_once():
            exported(module)
        assert asked == again, module
