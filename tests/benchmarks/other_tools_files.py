"""What other tools make of a trained network, each as its own documentation has it used."""

from __future__ import annotations

import copy
import hashlib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from cells import CACHE, file_of, trial
from compression import MODELS, digits_of, fine_tune, network
from torch import nn

from automl.compression.calibration import calibration_rows
from automl.compression.prune import Prune
from automl.data import dataset
from automl.data.dataset import Data
from automl.models.deployed import Deployed, seen_by
from automl.models.family import Network, count_parameters
from automl.models.imported import Imported
from automl.recipe import Step
from automl.space.space import TrialConfig
from automl.training.loop import Train

STATIC, FOUR_BITS = "onnxruntime, static int8", "onnxruntime, 4-bit weights"
INT8_WEIGHTS, PT2E = "torchao, int8 weights", "torchao, pt2e static int8"
PRUNED = "Torch-Pruning"
PRUNE_HALF: tuple[Step, ...] = (Prune(0.5), fine_tune())
BLOCK = 32
"""The weights that share a scale in 4 bits."""
HALVINGS = 12


@dataclass(frozen=True)
class Parent:
    """A trained network, its file and its data."""

    name: str
    config: TrialConfig
    file: bytes
    network: Network
    data: Data

    @classmethod
    def of(cls, name: str, seed: int) -> Parent:
        config = TrialConfig(digits_of(name, ()).dataset, MODELS[name], (Train(),), seed)
        data = dataset.load(config.dataset, seed, CACHE)
        return cls(name, config, file_of(config), network(trial(config).key), data)

    def extended(self, *steps: Step) -> TrialConfig:
        parts = self.config.dataset, self.config.model, (*self.config.recipe, *steps)
        return TrialConfig(*parts, self.config.seed)


def static_int8(parent: Parent) -> bytes:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Rows(CalibrationDataReader):  # type: ignore[misc]
        """The calibration rows, all at once."""

        def __init__(self) -> None:
            rows = calibration_rows(parent.data).inputs.astype(np.float32)
            self.left = iter([{"input": rows}])

        def get_next(self) -> Any:
            return next(self.left, None)

    with tempfile.TemporaryDirectory() as folder:
        given, prepared, made = (Path(folder, f"{i}.onnx") for i in range(3))
        given.write_bytes(parent.file)
        quant_pre_process(given, prepared)
        quantize_static(
            *(prepared, made, Rows()),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return made.read_bytes()


def four_bits(parent: Parent) -> bytes:
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    proto = onnx.load_from_string(parent.file)
    quantizer = MatMulNBitsQuantizer(proto, bits=4, block_size=BLOCK, is_symmetric=True)
    quantizer.process()
    file: bytes = quantizer.model.model.SerializeToString()
    return file


def pruned(parent: Parent) -> bytes:
    """The network cut by Torch-Pruning to as many parameters as our `Prune` leaves."""
    ours = count_parameters(network(trial(parent.extended(*PRUNE_HALF)).key))
    low, high, cut = 0.0, 1.0, parent.network.body
    for _ in range(HALVINGS):
        ratio = (low + high) / 2
        tried = cut_by(parent, ratio)
        if abs(count_parameters(tried) - ours) < abs(count_parameters(cut) - ours):
            cut = tried
        low, high = (low, ratio) if count_parameters(tried) < ours else (ratio, high)
    stream = io.BytesIO()
    torch.save(cut, stream)
    path = CACHE / f"{hashlib.sha256(stream.getvalue()).hexdigest()}.pt"
    path.write_bytes(stream.getvalue())
    model = Imported("other_tools_files:kept", options={"path": str(path)})
    config = TrialConfig(parent.config.dataset, model, (fine_tune(),), parent.config.seed)
    print(parent.name, "parameters", ours, "by Torch-Pruning", count_parameters(cut), flush=True)
    return file_of(config)


def kept(path: str) -> nn.Module:
    module: nn.Module = torch.load(path, weights_only=False)
    return module


def cut_by(parent: Parent, ratio: float) -> nn.Module:
    """The body without this share of the units of each group, the least by Torch-Pruning's usual
    score; heads of an attention go as a whole."""
    import torch_pruning

    body = copy.deepcopy(parent.network).body.eval()
    rows = seen_by(parent.network, calibration_rows(parent.data, 2).inputs, parent.data.info)
    heads = {
        getattr(module, name): getattr(module, name).out_features // module.head_dim
        for module in body.modules()
        for name in "qkv"
        if hasattr(module, "head_dim")
    }
    torch_pruning.pruner.BasePruner(
        *(body, rows),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=ratio,
        head_pruning_ratio=ratio,
        num_heads=heads,
        prune_num_heads=True,
        prune_head_dims=False,
        ignored_layers=[body.get_submodule("head")],
    ).step()
    return body


def int8_weights(parent: Parent) -> tuple[nn.Module, int]:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    module = Deployed(copy.deepcopy(parent.network), parent.data.info).eval()
    quantize_(module, Int8WeightOnlyConfig())
    stream = io.BytesIO()
    torch.save(module.state_dict(), stream)
    return module, len(stream.getvalue())


def pt2e(parent: Parent) -> tuple[nn.Module, int]:
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (
        X86InductorQuantizer,
        get_default_x86_inductor_quantization_config,
    )

    rows = torch.from_numpy(calibration_rows(parent.data).inputs).float()
    shapes = ({0: torch.export.Dim("batch", min=1, max=4096)},)

    def exported(module: nn.Module) -> Any:
        return torch.export.export(module, (rows[:2],), dynamic_shapes=shapes)

    deployed = Deployed(copy.deepcopy(parent.network), parent.data.info).eval()
    quantizer = X86InductorQuantizer()
    quantizer.set_global(get_default_x86_inductor_quantization_config())
    prepared = prepare_pt2e(exported(deployed).module(), quantizer)
    with torch.no_grad():
        prepared(rows)
    module, stream = convert_pt2e(prepared), io.BytesIO()
    torch.export.save(exported(module), stream)
    return module, len(stream.getvalue())


TO_ONNX = {STATIC: static_int8, FOUR_BITS: four_bits, PRUNED: pruned}
IN_TORCH = {INT8_WEIGHTS: int8_weights, PT2E: pt2e}
