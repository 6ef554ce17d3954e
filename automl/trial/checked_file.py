"""A file held by the gate against the network that it was made of."""

from __future__ import annotations

import numpy as np
import torch

from automl.compression.calibration import CALIBRATION_ROWS, enough_rows
from automl.data.dataset import Data
from automl.errors import Rejected
from automl.export.claims import claims
from automl.measure import gate
from automl.models.deployed import Deployed, device_of, predict
from automl.models.family import Network

ROWS_ALONE = 8
MOST_ROWS = 512
"""Of a large network, or of the file that compression starts from."""


def check_file(
    file: bytes,
    network: Network,
    data: Data,
    parent: bytes | None = None,
    takes_all_rows: bool = True,
) -> None:
    """Hold a file against its network on validation rows, some of them one at a time.

    `parent` is the file that it must be smaller than. Of many rows some, from first to last, are
    enough for a large network, and where not all are asked for. Raises Rejected with the reason.
    """
    rows = data.validation.inputs
    if enough_rows(network) < CALIBRATION_ROWS or not takes_all_rows:
        count = min(len(rows), MOST_ROWS)
        rows = rows[np.linspace(0, len(rows) - 1, count).round().astype(np.int64)]
    deployed = Deployed(network, data.info).to(device_of(network))
    inputs = torch.from_numpy(rows)
    gate.check(
        *(file, parent, rows, predict(deployed, inputs).cpu().numpy()),
        is_regression=not data.info.classes,
        claimed=claims(network),
        alone=predict(deployed, inputs[:ROWS_ALONE], batch_size=1).cpu().numpy(),
    )


def check_uncompressed(file: bytes, network: Network, data: Data) -> None:
    """Hold the fp32 file that compression starts from against its network. Raises Rejected."""
    try:
        check_file(file, network, data, takes_all_rows=False)
    except Rejected as reason:
        raise Rejected(f"already the uncompressed file is wrong: it {reason}") from None
