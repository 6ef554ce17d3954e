"""A network as torch's exporter traces it: the program that other formats are made of."""

from __future__ import annotations

import torch
from torch import Tensor

from automl.compression.calibration import calibration_rows
from automl.compression.fold_batch_norm import fold_batch_norm
from automl.compression.proof import PROOF_ROWS
from automl.data.dataset import Data
from automl.errors import Rejected
from automl.export.complaints import complaint
from automl.export.free_length import free_length
from automl.export.onnx_patches import masks_as_they_are
from automl.models.deployed import Deployed, seen_by
from automl.models.family import Network, dump, restore
from automl.models.torch_patches import ending_hooks

NOTED = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")
"""Notes of the exporter on each node: paths of this machine, which no runtime needs."""


def deployed_copy(network: Network, data: Data) -> Deployed:
    """A copy of a network between raw rows and answers, with batch norms merged into layers."""
    copied = restore(*dump(network).values()).eval()
    seen = seen_by(copied, calibration_rows(data, PROOF_ROWS).inputs, data.info)
    return Deployed(fold_batch_norm(copied, seen), data.info).eval()


def example_rows(data: Data, count: int) -> Tensor:
    """Rows of zeros (rows, ...) of the type that an exported file takes: some formats keep their
    examples, and data is not to go with a model."""
    kind = torch.int64 if data.info.num_tokens else torch.float32
    return torch.zeros((count, *data.train.inputs.shape[1:]), dtype=kind)


def traced(
    deployed: Deployed, rows: Tensor, most_rows: int, name: str
) -> torch.export.ExportedProgram:
    """The program of a module for up to so many rows at once, with nothing of this machine in it.

    `rows` (rows, ...) are examples. Raises Rejected, with the format's name, where there is none.
    """
    free = None
    if most_rows > 1:
        free = ({0: torch.export.Dim("batch", min=1, max=most_rows)},)
    try:
        body = deployed.model.body
        with torch.no_grad(), free_length(body), masks_as_they_are(), ending_hooks():
            program = torch.export.export(deployed, (rows,), dynamic_shapes=free, strict=False)
    except Exception as error:
        raise Rejected(f"cannot be written for {name}: {complaint(error)}") from error
    for node in program.graph.nodes:
        for noted in NOTED:
            node.meta.pop(noted, None)
    return program
