"""The gate: a file counts only if it shrank, reloads and agrees with the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.data.padding import lengths
from automl.errors import Rejected
from automl.export.claims import Claims, broken_claim
from automl.runtimes import onnx
from automl.runtimes.onnx import ONE_THREAD, OnnxRuntime

Positions: TypeAlias = NDArray[np.int64] | slice
MIN_AGREEMENT = 0.99
NUMBER_TOLERANCE = 0.01
ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""What fp32 may round numbers by, as a share of their size."""
MOST_WRONG_ALONE = 1
"""Of a few rows, that is: rounding may move one to another class."""


@dataclass(frozen=True)
class Expected:
    """A network's answers (rows, outputs) to the inputs `at` these positions, all by default.

    `alone` (rows, outputs) are those to the first inputs, given one at a time: without their
    padding to a file that takes shorter texts.
    """

    answers: NDArray[np.float32]
    at: Positions = field(default_factory=lambda: slice(None))
    alone: NDArray[np.float32] | None = None


def check_shrunk(file: bytes, parent: bytes | None) -> None:
    """Raise Rejected when a file is no smaller than the fp32 file of the model before its first
    compression; None when nothing was compressed."""
    if parent is not None and len(file) >= len(parent):
        raise Rejected(f"did not shrink: {len(file)} bytes, its parent has {len(parent)}")


def check(
    file: bytes,
    inputs: NDArray[np.generic],
    expected: Expected,
    is_regression: bool = False,
    claimed: Claims | None = None,
    runtime: OnnxRuntime = ONE_THREAD,
) -> NDArray[np.float32]:
    """The answers (rows, outputs) of an exported file to raw `inputs` (rows, ...).

    Raises Rejected with the reason when the file does not count. `claimed` is what the model says
    of its file.
    """
    alone = expected.alone
    answers, singly = _answers(file, inputs, 0 if alone is None else len(alone), runtime)
    if claimed and (broken := broken_claim(file, onnx.optimised(file), claimed)):
        raise Rejected(f"the file {broken}")
    outputs, wanted = answers[expected.at], expected.answers
    if outputs.shape != wanted.shape:
        raise Rejected(f"gives answers of shape {outputs.shape}, the model of {wanted.shape}")
    if not np.isfinite(answers).all():
        raise Rejected("gives values that are not finite")
    what = "number, within a hundredth of their spread," if is_regression else "class"
    allowed = NUMBER_TOLERANCE * spread(wanted, NUMBER_TOLERANCE) if is_regression else None
    if (agreement := float(_same(outputs, wanted, allowed).mean())) < MIN_AGREEMENT:
        raise Rejected(
            f"disagrees with the model: same {what} on {agreement:.1%} of the validation rows, "
            f"at least {MIN_AGREEMENT:.0%} is wanted"
        )
    if alone is not None:
        same = _same(singly, alone, allowed)
        if (~same).sum() > MOST_WRONG_ALONE:
            raise Rejected(
                f"disagrees with the model where rows come one at a time: same {what} on "
                f"{same.sum()} of {len(same)} of them"
            )
    return answers


def spread(answers: NDArray[np.float32], tolerance: float) -> NDArray[np.float64]:
    """The standard deviation of each output of answers (rows, outputs), but no less than what
    makes rounding stay within a tolerance, which is a share of it."""
    sizes = np.abs(answers).max(0, initial=0.0)
    std = answers.std(0, dtype=np.float64)
    return np.asarray(np.maximum(std, ROUNDING / tolerance * sizes))


def _answers(
    file: bytes, inputs: NDArray[np.generic], num_alone: int, runtime: OnnxRuntime
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The file's answers (rows, outputs) together, and those for the first rows one at a time, as
    one core of this machine gives them."""
    try:
        session = onnx.session(file)
        outputs = onnx.run(onnx.session(file, runtime.provider, runtime.threads), inputs)
        rows = [inputs[i : i + 1] for i in range(num_alone)]
        if onnx.takes_shorter(session):
            rows = [row[:, :length] for row, length in zip(rows, lengths(inputs))]
        alone = [onnx.run(session, row) for row in rows]
        return outputs, np.concatenate([outputs[:0], *alone])
    except Exception as error:
        raise Rejected(f"does not reload: {error}") from error


def _same(
    outputs: NDArray[np.float32], expected: NDArray[np.float32], allowed: NDArray[np.float64] | None
) -> NDArray[np.bool_]:
    """True (rows,) for each row whose outputs (rows, outputs) are of one class, or that all differ
    by at most what is allowed (outputs,)."""
    if allowed is None:
        return np.asarray(outputs.argmax(1) == expected.argmax(1))
    return np.asarray((np.abs(outputs - expected) <= allowed).all(1))
