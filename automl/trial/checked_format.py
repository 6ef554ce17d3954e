"""A model in other formats, each held against the network by the runtime that is to run it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from automl.data.dataset import Data
from automl.errors import Rejected, UserError, described
from automl.export.formats import FORMATS
from automl.export.taken import Chosen, Made
from automl.measure import gate
from automl.measure.measurement import Make
from automl.models.deployed import Deployed, predict
from automl.models.family import Network
from automl.runtimes.by_ending import answers_of

Answers: TypeAlias = NDArray[np.float32]
FLOATS_TOLERANCE, INTEGERS_TOLERANCE = 0.001, 0.1
"""The most that an output may differ from the network's, in standard deviations of the outputs:
of a file that computes with floats, and of one that computes with integers."""


def formats_of(chosen: Chosen, names: Iterable[str]) -> Made:
    """The files of these formats. Raises UserError where one cannot be, or answers otherwise."""
    every, expected = Made(), _expected_once(chosen)
    for name in names:
        try:
            every = every.with_more(_checked(FORMATS[name].make(chosen), chosen, expected))
        except Rejected as reason:
            raise UserError(
                f"--format {name}: {chosen.name} {reason}; nothing was written"
            ) from None
    return every


def in_formats(network: Network, data: Data) -> Make:
    """A function that writes a finished network in a format, once, and gives the file.

    It raises Rejected where the network cannot be written so, or the file answers otherwise.
    """
    chosen = Chosen("", b"", network.cpu(), data, "")
    expected = _expected_once(chosen)

    @cache
    def make(format: str) -> bytes:
        (file,) = _checked(FORMATS[format].make(chosen), chosen, expected).files.values()
        return file

    return make


def _checked(made: Made, chosen: Chosen, expected: Callable[[], Answers]) -> Made:
    """The files that were made, with a note of how far their answers are from those expected.

    Raises Rejected where they differ too much.
    """
    run = {name: answers for name in made.files if (answers := answers_of(name))}
    if not run:
        return made
    tolerance = INTEGERS_TOLERANCE if made.has_integers else FLOATS_TOLERANCE
    rows = chosen.data.validation.inputs
    # The first goes alone: a file may take several rows at a time, and no single one.
    parts = [part for part in (rows[:1], rows[1:]) if len(part)]
    for name, answers in run.items():
        try:
            given = np.concatenate([answers(made.files[name], part) for part in parts])
        except Exception as error:
            raise Rejected(f"gives a {name} that does not run: {described(error)}") from error
        said = agreement(given, expected(), tolerance, bool(chosen.data.info.classes))
        made = made.with_more(Made(notes=(f"{name} {said}",)))
    return made


def _expected_once(chosen: Chosen) -> Callable[[], Answers]:
    """A function that asks a network for its answers when they are first wanted."""
    return cache(partial(expected_answers, chosen.network, chosen.data))


def expected_answers(network: Network, data: Data) -> Answers:
    """A network's answers (rows, outputs) to all validation rows."""
    answers = predict(Deployed(network, data.info), torch.from_numpy(data.validation.inputs))
    return np.asarray(answers.numpy(), np.float32)


def agreement(
    answers: Answers,
    expected: Answers,
    tolerance: float,
    is_classification: bool,
) -> str:
    """The agreement of a file's answers (rows, outputs) with the network's, in words.

    Raises Rejected where they are of other classes, or differ by more than the tolerance.
    """
    if answers.shape != expected.shape:
        raise Rejected(f"gives answers of shape {answers.shape}, the model of {expected.shape}")
    (spread,) = gate.spread(expected.reshape(-1, 1), tolerance)
    off = float(np.abs(answers - expected).max() / max(spread, np.finfo(np.float32).tiny))
    said = f"differs from the network by at most {off:.2g} of the outputs' deviation"
    if is_classification:
        same = float((answers.argmax(1) == expected.argmax(1)).mean())
        said = (
            f"gives the network's class on {same:.2%} of {len(answers)} validation rows, and {said}"
        )
        if same < gate.MIN_AGREEMENT:
            raise Rejected(f"would answer otherwise: the file {said}")
    if not off <= tolerance:
        raise Rejected(f"would answer otherwise: the file {said}, at most {tolerance:g} is allowed")
    return said
