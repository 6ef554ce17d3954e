"""No fake compression: a file counts only if it shrank, reloads and agrees with the model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl.recipe import Rejected
from automl.runtimes import onnx

MIN_AGREEMENT = 0.99


def check(
    file: bytes,
    parent: bytes | None,
    inputs: NDArray[np.float32],
    expected: NDArray[np.float32],
) -> None:
    """Raise Rejected with the reason when an exported file does not count.

    `parent` is the fp32 file of the model before its first compression, None when nothing
    was compressed; `expected` are the torch model's logits for the raw `inputs`.
    """
    if parent is not None and len(file) >= len(parent):
        raise Rejected(f"did not shrink: {len(file)} bytes, its parent has {len(parent)}")
    try:
        logits = onnx.run(onnx.session(file), inputs)
    except Exception as error:
        raise Rejected(f"does not reload: {error}") from error
    if not np.isfinite(logits).all():
        raise Rejected("the exported file gives values that are not finite")
    agreement = float((logits.argmax(1) == expected.argmax(1)).mean())
    if agreement < MIN_AGREEMENT:
        raise Rejected(
            f"disagrees with the model: same class on {agreement:.1%} of the validation rows, "
            f"at least {MIN_AGREEMENT:.0%} is wanted"
        )
