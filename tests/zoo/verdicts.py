"""Verdicts on a cell, and the words by which refusals are judged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from zoo.declared import Declared


class Verdict(StrEnum):
    """The verdicts, by the letter that stands for each in the table."""

    RIGHT = "R"
    LEFT_ALONE = "l"
    REFUSED_WELL = "r"
    UNSAID = "u"
    REFUSED_NEEDLESSLY = "N"
    RAW_EXCEPTION = "X"
    SILENTLY_WRONG = "W"


NAMES = {
    Verdict.RIGHT: "right",
    Verdict.LEFT_ALONE: "left alone, and said",
    Verdict.REFUSED_WELL: "refused well",
    Verdict.UNSAID: "left alone, unsaid",
    Verdict.REFUSED_NEEDLESSLY: "refused needlessly or falsely",
    Verdict.RAW_EXCEPTION: "raw exception",
    Verdict.SILENTLY_WRONG: "silently wrong",
}
BAD = (
    Verdict.UNSAID,
    Verdict.REFUSED_NEEDLESSLY,
    Verdict.RAW_EXCEPTION,
    Verdict.SILENTLY_WRONG,
)

RAW_WORDS = re.compile(
    r"Traceback|\x1b|\[\d+m|\b[A-Z]\w*(Error|Exception|Fault)\b"
    r"|tuple index|list index|has no attribute"
    r"|unexpected keyword|unsupported operand|not subscriptable|not callable|"
    r"expected a non-empty|must match the size|cannot be multiplied"
    r"|\baten[.:]|FakeTensor|torch\.export|ONNXRuntime|non-singleton|contiguous|SymInt|"
    r"operands could not|Got: \d+ Expected"
)
"""What torch and Python say, and no user should read."""


@dataclass(frozen=True)
class Judged:
    """A verdict on a cell, with the sentence that it goes by; figures are for the reader."""

    module: str
    recipe: str
    verdict: Verdict
    why: str = ""
    accuracy: float = float("nan")
    trained_accuracy: float = float("nan")
    size_bytes: int = 0
    fp32_bytes: int = 0
    untouched: float = 0.0
    distance: float = float("nan")
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


def refusal(declared: Declared, recipe: str, sentence: str, at_start: bool) -> Verdict:
    """The verdict on a refusal, by its words and by what is declared to be right."""
    if RAW_WORDS.search(sentence):
        return Verdict.RAW_EXCEPTION
    whole = bool(declared.refused) and _has_one(sentence, declared.refused)
    if whole and (at_start or not declared.must):
        return Verdict.REFUSED_WELL
    if recipe == "remove_layers" and not declared.blocks and "no block" in sentence:
        return Verdict.REFUSED_WELL
    for name, words in declared.refusals:
        if recipe.startswith(name) and _has_one(sentence, words.split("|")):
            return Verdict.REFUSED_WELL
    return Verdict.REFUSED_NEEDLESSLY


def _has_one(sentence: str, words: tuple[str, ...] | list[str]) -> bool:
    return any(word.lower() in sentence.lower() for word in words)
