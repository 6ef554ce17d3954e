"""The gate: a file counts only if it shrank, reloads and agrees with the model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl.errors import Rejected
from automl.export.claims import Claims, broken_claim
from automl.runtimes import onnx

MIN_AGREEMENT = 0.99
NUMBER_TOLERANCE = 0.01


def check(
    file: bytes,
    parent: bytes | None,
    inputs: NDArray[np.generic],
    expected: NDArray[np.float32],
    is_regression: bool = False,
    claimed: Claims | None = None,
) -> None:
    """Raise Rejected with the reason when an exported file does not count.

    `parent` is the fp32 file of the model before its first compression, None when nothing
    was compressed. `expected` (rows, outputs) are the torch model's outputs for the raw
    `inputs` (rows, ...). `claimed` is what the model says of its file.
    """
    if parent is not None and len(file) >= len(parent):
        raise Rejected(f"did not shrink: {len(file)} bytes, its parent has {len(parent)}")
    try:
        outputs = onnx.run(onnx.session(file), inputs)
    except Exception as error:
        raise Rejected(f"does not reload: {error}") from error
    if claimed and (broken := broken_claim(file, onnx.optimised(file), claimed)):
        raise Rejected(f"the file {broken}")
    if not np.isfinite(outputs).all():
        raise Rejected("the exported file gives values that are not finite")
    if is_regression:
        same, what = _same_numbers(outputs, expected), "number, within a hundredth of their spread,"
    else:
        same, what = outputs.argmax(1) == expected.argmax(1), "class"
    if (agreement := float(same.mean())) < MIN_AGREEMENT:
        raise Rejected(
            f"disagrees with the model: same {what} on {agreement:.1%} of the validation rows, "
            f"at least {MIN_AGREEMENT:.0%} is wanted"
        )


def _same_numbers(outputs: NDArray[np.float32], expected: NDArray[np.float32]) -> NDArray[np.bool_]:
    """True (rows,) for each row whose outputs (rows, outputs) all agree."""
    allowed = NUMBER_TOLERANCE * np.maximum(expected.std(0), 1e-6)
    return np.asarray((np.abs(outputs - expected) <= allowed).all(1))
