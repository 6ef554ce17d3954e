"""Parallelism whose weights are in pieces, as torch's DTensor: `Sharded`, `TensorParallel`."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from automl.errors import Rejected
from automl.field_types import Count
from automl.training.batch_norm import share_statistics
from automl.training.parallel import Parallelism, Spread, Trainee, rank, world_size


@dataclass(frozen=True)
class Sharded(Parallelism):
    """Each rank takes its share of every batch, of the weights and of the optimizer's state.

    torch's FSDP2 does it.
    """

    num_workers: Count = 2

    def share(self) -> tuple[int, int]:
        return rank(), world_size()

    def prepare(self, module: nn.Module) -> None:
        share_statistics(module)

    def spread(self, trainee: Trainee) -> Spread:
        if any(parameter.ndim == 0 for parameter in trainee.module.parameters()):
            raise Rejected("Sharded cannot cut a parameter that is one number; use DataParallel")
        # Half a second of imports, and every process imports this file.
        from automl.training.spreads.dtensors import ShardedRows, shard

        return ShardedRows(trainee, shard)


@dataclass(frozen=True)
class TensorParallel(Parallelism):
    """Each rank computes its share of the units of a layer, on all rows.

    So are linear layers, attention and convolutions cut; a layer whose size does not divide by
    the ranks is computed whole on each.
    """

    num_workers: Count = 2

    def spread(self, trainee: Trainee) -> Spread:
        from automl.training.spreads.dtensors import InPieces, cut_layers

        return InPieces(trainee, cut_layers)
