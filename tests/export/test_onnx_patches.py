"""Each private name of torch's exporter that the package replaces is still what exports use."""

import torch
import torch._export.utils as exporting
from torch import nn
from torch.onnx._internal.exporter._registration import ONNXRegistry

from automl.export.onnx_patches import keep_operators


def exported():
    torch.onnx.export(nn.Linear(2, 2).eval(), (torch.ones(1, 2),), dynamo=True, verbose=False)


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
