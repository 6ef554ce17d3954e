"""A file held by the gate against the network that it was made of."""

from __future__ import annotations

import numpy as np
import torch

from automl.data.dataset import Data
from automl.errors import Rejected
from automl.export.claims import claims
from automl.measure import gate
from automl.models.deployed import Deployed, device_of, predict
from automl.models.family import Network

ROWS_ALONE = 8
MOST_PARENT_ROWS = 512


def check_file(
    file: bytes,
    network: Network,
    data: Data,
    parent: bytes | None = None,
    most_rows: int | None = None,
) -> None:
    """Hold a file against its network on validation rows, some of them one at a time.

    `parent` is the file that it must be smaller than. Raises Rejected with the reason.
    """
    rows = data.validation.inputs
    if most_rows is not None and len(rows) > most_rows:
        rows = rows[np.linspace(0, len(rows) - 1, most_rows).round().astype(np.int64)]
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
        check_file(file, network, data, most_rows=MOST_PARENT_ROWS)
    except Rejected as reason:
        raise Rejected(f"already the uncompressed file is wrong: it {reason}") from None
