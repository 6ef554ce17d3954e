"""Predictions as a file or on standard output; and the command that writes them without automl."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from automl.errors import UserError
from automl.predictor.model import Answers, Model
from automl.predictor.rows import Reader, Unused

SECONDS_BETWEEN_LINES = 5


def main(folder: Path, read: Reader) -> None:
    """Run `python predict.py ROWS [--out FILE] [--proba]`. Exit 2 is the user's mistake."""
    parser = argparse.ArgumentParser(description="Predict with the model in this folder.")
    parser.add_argument(
        "rows", nargs="+", type=Path, help="files with rows, or a folder or archive of images"
    )
    parser.add_argument("--out", type=Path, help="a .csv or .jsonl file to write to")
    parser.add_argument("--proba", action="store_true", help="add the probability of each class")
    given = parser.parse_args()
    try:
        written = write_predictions(Model(folder, read), given.rows, given.out, given.proba)
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # Nobody reads any more, not what is still in the buffer either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    for sentence in written.notes:
        print(f"note: {sentence}", file=sys.stderr)


@dataclass(frozen=True)
class Written:
    """The number of rows that were answered, and a sentence for each column with values that
    counted as missing."""

    num_rows: int
    notes: list[str]


def write_predictions(
    model: Model, rows: list[Path], out: Path | None, with_probabilities: bool
) -> Written:
    """Write a prediction for each row, to a .csv or .jsonl file or as CSV to standard output.

    A file is there only when it is whole; nothing is written before the first rows are answered.
    Raises UserError on rows that cannot be.
    """
    if with_probabilities and not model.classes:
        raise UserError("this model predicts numbers, which have no probabilities; omit --proba")
    if out is not None and (out.suffix not in (".csv", ".jsonl") or out.is_dir()):
        raise UserError(f"--out {out} is no .csv or .jsonl file; name it as one")
    unused, count, said = Unused(), 0, time.monotonic()
    answered = model.answers(rows, unused)
    first = next(answered)
    with _opened(out) as file:
        write = _writer(file, model, out is not None and out.suffix == ".jsonl", with_probabilities)
        for answers in chain([first], answered):
            write(answers)
            count += len(answers.names)
            if time.monotonic() - said > SECONDS_BETWEEN_LINES:
                said = time.monotonic()
                print(f"{count:,} rows", file=sys.stderr)
    return Written(count, unused.sentences())


def every_answer(model: Model, rows: object, with_probabilities: bool) -> dict[str, object]:
    """The predictions of all rows as one object of JSON."""
    unused = Unused()
    answers = [
        row for some in model.answers(rows, unused) for row in as_objects(some, with_probabilities)
    ]
    return {"predictions": answers, "notes": unused.sentences()}


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """The file to write to, under another name until it is whole, or standard output: UTF-8,
    whatever the locale.

    What is no UTF-8 in the name of a file with a row stays as it is, or is escaped as JSON does.
    """
    if out is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
        yield sys.stdout
        return
    unfinished = out.with_name(f".{out.name}.unfinished")
    errors = "backslashreplace" if out.suffix == ".jsonl" else "surrogateescape"
    try:
        file = unfinished.open("w", encoding="utf-8", errors=errors, newline="")
    except OSError as error:
        raise UserError(f"cannot write to --out {out}: {error.strerror}") from None
    try:
        with file:
            yield file
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def _writer(
    file: TextIO, model: Model, as_json: bool, with_probabilities: bool
) -> Callable[[Answers], None]:
    """The function that writes answers, as lines of JSON or of CSV."""
    if as_json:

        def write_json(answers: Answers) -> None:
            for row in as_objects(answers, with_probabilities):
                file.write(f"{json.dumps(row, ensure_ascii=False)}\n")

        return write_json
    several = not model.classes and model.num_outputs > 1
    names = [f"prediction_{i}" for i in range(model.num_outputs)] if several else ["prediction"]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["row", *names, *(model.classes if with_probabilities else ())])

    def write_csv(answers: Answers) -> None:
        # The shortest digits that give the same float32 again.
        predictions = answers.predictions.astype(str).reshape(len(answers.names), -1).tolist()
        shares: list[list[float]] = [[] for _ in predictions]
        if with_probabilities:
            shares = answers.probabilities.tolist()
        for name, prediction, share in zip(answers.names, predictions, shares):
            writer.writerow([name, *prediction, *(f"{p:.6g}" for p in share)])

    return write_csv


def as_objects(answers: Answers, with_probabilities: bool) -> list[dict[str, Any]]:
    """Each answer as an object of JSON."""
    predictions = answers.predictions.tolist()
    rows = [
        {"row": name, "prediction": prediction}
        for name, prediction in zip(answers.names, predictions)
    ]
    if with_probabilities:
        for row, share in zip(rows, answers.probabilities.tolist()):
            row["probabilities"] = dict(zip(answers.classes, share))
    return rows
