"""A model for ExecuTorch, `model.pte`: on XNNPACK, with integers where the network has them."""

from __future__ import annotations

import warnings

import torch

from automl.data.optional_packages import package
from automl.errors import Rejected, described
from automl.export.integer_programs import in_words, know_operators, traced_with_integers
from automl.export.taken import Chosen, Made, example_line
from automl.export.traced import deployed_copy, example_rows

FILE = "model.pte"
MAX_BATCH = 32
"""The most rows that are asked for: ExecuTorch sets memory for all of them aside when it loads."""
CARD = """`{file}` is the same model for ExecuTorch {version} on XNNPACK, for 1 to {most} rows at
a time. From Python it needs the packages torch and executorch, on a device its runtime alone.

```python
import torch
from executorch.runtime import Runtime
method = Runtime.get().load_program("{file}").load_method("forward")
(answers,) = method.execute([{rows}])
print(answers)
```"""


def check(user: str = "--format executorch") -> None:
    """Raise UserError, which names what needs it, where ExecuTorch is not installed."""
    package("executorch.version", user, "executorch")


def make(chosen: Chosen) -> Made:
    """The network lowered to XNNPACK. Raises Rejected where it cannot be."""
    from executorch.version import __version__

    deployed = deployed_copy(chosen.network, chosen.data)
    know_operators()
    traced = traced_with_integers(
        deployed, example_rows(chosen.data, 2), MAX_BATCH, "ExecuTorch", has_codes=True
    )
    try:
        file, most_rows = _lowered(traced.program)
    except Exception as error:
        raise Rejected(f"cannot be lowered to ExecuTorch: {described(error)}") from error
    rows = example_line(chosen.data)
    card = CARD.format(file=FILE, version=__version__, most=most_rows, rows=rows)
    return Made({FILE: file}, card, in_words(traced, FILE, "XNNPACK"), bool(traced.integers))


def _lowered(program: torch.export.ExportedProgram) -> tuple[bytes, int]:
    """The bytes of a file that runs on XNNPACK, and on ExecuTorch's own kernels for the rest, and
    the most rows that it takes: fewer than asked for where an operator was fixed to few."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
        made = edge.to_executorch()
    (plan,) = made.executorch_program.execution_plan
    return bytes(made.buffer), plan.values[plan.inputs[0]].val.sizes[0]
