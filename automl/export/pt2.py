"""A model as a torch.export program, `model.pt2`: torch alone runs it, and can compile it."""

from __future__ import annotations

import io

import torch

from automl.export.taken import Chosen, Made, example_line
from automl.export.traced import deployed_copy, example_rows, traced

FILE = "model.pt2"
MAX_BATCH = 2**20
CARD = """`{file}` is the same model as a program of torch {version}: weights, and nothing of the \
classes that it was made with.

```python
import torch
model = torch.export.load("{file}").module()
rows = {rows}
print(model(rows))
```"""


def make(chosen: Chosen) -> Made:
    """The program of the trained and compressed network, codes of weights included."""
    program = traced(
        deployed_copy(chosen.network, chosen.data),
        example_rows(chosen.data, 2),
        MAX_BATCH,
        "pt2",
    )
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    card = CARD.format(file=FILE, version=torch.__version__, rows=example_line(chosen.data))
    return Made({FILE: buffer.getvalue()}, card)
