"""A model for ExecuTorch, `model.pte`: on XNNPACK, with integers where the network has them."""

from __future__ import annotations

import warnings

import torch

from automl.data.optional_packages import package
from automl.errors import Rejected, described
from automl.export.integer_programs import (
    IntegerProgram,
    in_words,
    know_operators,
    traced_with_integers,
)
from automl.export.taken import Chosen, Made, example_line
from automl.export.traced import deployed_copy, example_rows

FILE = "model.pte"
EXAMPLES, MAX_BATCH = 2, 32
"""The rows with which a network is traced, and the most that are asked for: ExecuTorch sets memory
for all of them aside when it loads."""
CARD = """`{file}` is the same model for ExecuTorch {version} on XNNPACK, for {most} at a
time. From Python it needs the packages torch and executorch, on a device its runtime alone.

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
    """The network lowered to XNNPACK, for one row at a time where an operator fixes the number of
    rows. Raises Rejected where it cannot be."""
    from executorch.version import __version__

    know_operators()
    traced, file, most_rows = _written(chosen, EXAMPLES, MAX_BATCH)
    if most_rows == EXAMPLES:
        # Fixed to the examples' number it would answer no single row.
        traced, file, most_rows = _written(chosen, 1, 1)
    card = CARD.format(
        file=FILE,
        version=__version__,
        most=f"1 to {most_rows} rows" if most_rows > 1 else "one row",
        rows=example_line(chosen.data),
    )
    words = in_words(traced, FILE, "XNNPACK")
    return Made({FILE: file}, card, words, bool(traced.integers))


def _written(chosen: Chosen, examples: int, most_rows: int) -> tuple[IntegerProgram, bytes, int]:
    """The program of a network, traced with so many rows for so many at most, its file, and the
    most rows that this takes."""
    deployed, rows = deployed_copy(chosen.network, chosen.data), example_rows(chosen.data, examples)
    traced = traced_with_integers(deployed, rows, most_rows, "ExecuTorch", has_codes=True)
    try:
        return traced, *_lowered(traced.program)
    except Exception as error:
        raise Rejected(f"cannot be lowered to ExecuTorch: {described(error)}") from error


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
