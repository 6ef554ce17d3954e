"""Models compiled for their training: torch compiles at the first call, which is made here."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from automl.training.batches import Part
from automl.training.rows_at_once import RowsAtOnce

GRAPHS = "reduce-overhead"
"""torch's mode in which a CUDA device replays its kernels as one graph: small layers take far less
time to be begun. Its gradients may not be added to, and on ROCm they are wrong, see
https://github.com/pytorch/pytorch/issues/169545 and
https://github.com/pytorch/pytorch/issues/187715."""


def compiled(at_once: RowsAtOnce, part: Part, graphs: bool) -> tuple[nn.Module, str]:
    """The module that learns compiled, and ""; where that fails, as it is, and why.

    With `graphs` an NVIDIA device replays graphs, if a part fits it as a whole.
    """
    graphs = graphs and torch.cuda.is_available() and torch.version.hip is None
    try:
        if graphs and at_once.try_out(at_once.module, part) < len(part.inputs):
            graphs = False
        made = cast(nn.Module, torch.compile(at_once.module, mode=GRAPHS if graphs else None))
        at_once.try_out(made, part)
    except Exception as error:
        return at_once.module, (str(error).strip() or type(error).__name__).splitlines()[0]
    return made, ""
