"""An exported folder, or any ONNX file, profiled layer by layer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from automl.errors import UserError
from automl.measure.layer_profile import Asked, LayerProfile, layer_profile, with_readings
from automl.runtimes.onnx import OnnxRuntime

MODEL_FILE, MEASUREMENT_FILE = "model.onnx", "measurement.json"


def profiled(path: Path, runtime: OnnxRuntime) -> LayerProfile:
    """The profile of a file, or of the model in an exported folder, whose layers have names.

    Raises UserError where there is none, or it cannot be run.
    """
    if not path.is_dir():
        return with_readings(layer_profile(Asked(path, runtime)))
    file = path / MODEL_FILE
    if not file.is_file():
        raise UserError(
            f"{path} holds no {MODEL_FILE}; give an ONNX file, or the folder that `automl export` "
            "wrote"
        )
    return with_readings(layer_profile(Asked(file, runtime, layer_names(path))))


def layer_names(folder: Path) -> Mapping[str, str]:
    """The name of each layer in an exported folder, by that of its weights in the file; none where
    the file is not the one that was exported, or an earlier version did so."""
    try:
        told = json.loads((folder / MEASUREMENT_FILE).read_text())
        file = (folder / MODEL_FILE).read_bytes()
        if told["sha256"] != hashlib.sha256(file).hexdigest():
            return {}
        names: dict[str, str] = told["costs"]["weights_in_file"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {value: tensor for tensor, value in names.items()}
