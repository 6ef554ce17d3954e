"""The memory that one trial takes, known from the parameters of its model and its rows."""

from __future__ import annotations

from automl.data.dataset import Data
from automl.data.rows_in_place import RowsInPlace

NUMBER_BYTES = 4

TRAINING_NUMBERS = 4
"""Of each parameter while it learns: itself, its gradient, and two of the optimizer's."""

CHECKPOINT_NUMBERS = 4
"""Of each parameter while a checkpoint is made: itself twice, and the optimizer's two."""


def trial_bytes(num_parameters: int, data: Data) -> int:
    """The bytes that a trial holds at its peak, rows included that do not stay in a file, on top
    of what Python and its libraries take; what the layers give for a batch comes on top, too."""
    numbers = TRAINING_NUMBERS + CHECKPOINT_NUMBERS
    arrays = [a for split in (data.train, data.validation) for a in (split.inputs, split.targets)]
    held = sum(array.nbytes for array in arrays if not isinstance(array, RowsInPlace))
    return NUMBER_BYTES * numbers * num_parameters + held
