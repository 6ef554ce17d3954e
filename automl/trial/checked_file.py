"""A file held by the gate against the network that it was made of, and what it answers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from automl.compression.calibration import CALIBRATION_ROWS, enough_rows
from automl.data.dataset import Data, Split
from automl.errors import Rejected
from automl.export.claims import claims
from automl.measure import gate
from automl.measure.structure import computes_with_integers
from automl.models.deployed import Deployed, device_of, predict
from automl.models.family import Network
from automl.runtimes.onnx import ONE_THREAD, OnnxRuntime
from automl.runtimes.providers import CPU, is_available

ROWS_ALONE = 8
MOST_ROWS = 512
"""Of a large network, or of the file that compression starts from."""
EVERY = slice(None)


def check_file(
    file: bytes, network: Network, data: Data, device: str = "cpu"
) -> NDArray[np.float32]:
    """The answers (rows, outputs) of a file to all validation rows, held against its network's.

    They come from the cores that this process has, or from the device where it is a GPU; one
    would round integers otherwise than a user's processor does.

    Of a large network's some, from first to last, are enough; of all a few are also asked for one
    at a time. Raises Rejected with the reason.
    """
    is_large = enough_rows(network) < CALIBRATION_ROWS
    at = _some(data.validation) if is_large else EVERY
    on_gpu = device == "cuda" and is_available("CUDA") and not computes_with_integers(file)
    runtime = OnnxRuntime("CUDA" if on_gpu else CPU, threads=torch.get_num_threads())
    return _checked(file, network, data, EVERY, at, runtime)


def check_uncompressed(file: bytes, network: Network, data: Data) -> None:
    """Hold the fp32 file that compression starts from against its network, on some validation
    rows. Raises Rejected."""
    try:
        _checked(file, network, data, _some(data.validation), EVERY)
    except Rejected as reason:
        raise Rejected(f"already the uncompressed file is wrong: it {reason}") from None


def _checked(
    file: bytes,
    network: Network,
    data: Data,
    asked: gate.Positions,
    compared: gate.Positions,
    runtime: OnnxRuntime = ONE_THREAD,
) -> NDArray[np.float32]:
    """The file's answers to the validation rows that are asked for, of which some are compared
    with the network's."""
    deployed = Deployed(network, data.info).to(device_of(network))
    rows = data.validation.inputs[asked]
    together = predict(deployed, torch.from_numpy(rows[compared]))
    alone = predict(deployed, torch.from_numpy(rows[:ROWS_ALONE]), batch_size=1)
    return gate.check(
        file,
        rows,
        gate.Expected(together.cpu().numpy(), compared, alone.cpu().numpy()),
        is_regression=not data.info.classes,
        claimed=claims(network),
        runtime=runtime,
    )


def _some(split: Split) -> NDArray[np.int64]:
    """The positions of some rows, from first to last."""
    count = min(len(split.inputs), MOST_ROWS)
    return np.linspace(0, len(split.inputs) - 1, count).round().astype(np.int64)
