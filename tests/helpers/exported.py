"""Export folders of untrained networks: what answers rows, without a search."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from automl.data.arrays import Array
from automl.data.dataset import Dataset
from automl.engine import export_dir
from automl.export import onnx
from automl.models.convnet1d import ConvNet1d
from automl.models.family import ModelFamily, Network, untrained
from automl.models.mlp import MLP
from automl.predictor.load import READERS
from automl.predictor.model import Model
from automl.predictor.rows import Unused
from helpers.trials import load

BARE = """
import runpy, sys
sys.modules |= dict.fromkeys(("automl", "torch", "pyarrow", "sklearn", "pandas", "mlflow"))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def network_of(source: Dataset, model: ModelFamily | None = None) -> Network:
    """An untrained network for a dataset, the same at every call."""
    info = load(source).info
    torch.manual_seed(0)
    family = ConvNet1d((8,)) if info.num_tokens else MLP((8,))
    return untrained(model or family, info)


def write_export(source: Dataset, folder: Path, model: ModelFamily | None = None) -> Path:
    """The files of an export that answer rows."""
    folder.mkdir()
    file = onnx.export(network_of(source, model), load(source))
    form = export_dir.row_format(source, load(source))
    for name, content in export_dir.what_predicts(file, form, source).items():
        (folder / name).write_bytes(content)
    return folder


def run_alone(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The folder's own predict.py, where nothing but numpy, onnxruntime and Pillow is."""
    command = [sys.executable, "-c", BARE, str(folder / "predict.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def read(model: Model, rows: object) -> tuple[Array, list[str]]:
    """The inputs that a model makes of rows, and what it says of values that it cannot use."""
    unused = Unused()
    batches = list(READERS[model.form.kind](rows, model.form, unused))
    return np.concatenate([batch.inputs for batch in batches]), unused.sentences()
