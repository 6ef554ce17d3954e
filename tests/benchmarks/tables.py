"""Tables of the world: ours, boosted trees and a linear model on the same test rows.

python tests/benchmarks/tables.py FOLDER [--tables NAME ...] [--trials N] [--again]

FOLDER holds the CSV files of the Rdatasets collection (vincentarelbundock.github.io/Rdatasets), as
PACKAGE/NAME.csv. A quarter of a table's rows are for testing. Ours is what a user gets: the space
that `automl init` writes for the training file, searched for so many trials, and of its front the
model that is best on the validation rows; both others are scikit-learn's, with their defaults, and
learn from all training rows. `at_or_above` counts the tables where ours is no worse. Tables that
are in the results already are not run again.
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import report_file
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

RESULTS = report_file.path("tables")
COMMAND = [sys.executable, "-c", "from automl.cli.app import main; main()"]
MOST_ROWS = 8000
TRIALS = 12
SAID = 4000
"""The characters that are shown of what a command printed before it failed."""
PACKAGES = ("scikit-learn", "torch", "optuna")


@dataclass(frozen=True)
class Source:
    """A file of the collection, the column that is predicted, and those that would give it away or
    that name the row."""

    file: str
    target: str
    drop: tuple[str, ...] = ()
    is_held_out: bool = False

    @property
    def name(self) -> str:
        return Path(self.file).stem


SOURCES = (
    Source("Ecdat/Males.csv", "union", ("nr",)),
    Source("Ecdat/Hdma.csv", "deny"),
    Source("survival/flchain.csv", "death", ("futime", "chapter")),
    Source("Ecdat/HI.csv", "whi"),
    Source("Ecdat/OFP.csv", "privins"),
    Source("Ecdat/Computers.csv", "price"),
    Source("lme4/VerbAgg.csv", "r2", ("resp", "id")),
    Source("ggplot2/diamonds.csv", "price", is_held_out=True),
    Source("car/SLID.csv", "wages", is_held_out=True),
    Source("psych/bfi.csv", "gender", is_held_out=True),
)
"""Seven tables, on which families and bins were tried before they became choices, and three that
nobody has looked at before the figures were there."""


@dataclass(frozen=True)
class Parts:
    """The rows to learn from and to test on; numbers are regressed, all else is of two classes."""

    train: pd.DataFrame
    test: pd.DataFrame
    target: str
    is_regression: bool


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", nargs="+", choices=[one.name for one in SOURCES])
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--again", action="store_true")
    given = parser.parse_args()
    tables = report_file.parts(RESULTS).get("tables", {})
    for source in SOURCES:
        is_asked = not given.tables or source.name in given.tables
        if is_asked and (given.again or source.name not in tables):
            tables[source.name] = table(source, given.folder, given.trials)
            print(source.name, tables[source.name], flush=True)
            report_file.write(RESULTS, {"summary": summary(tables), "tables": tables}, PACKAGES)
    print(json.dumps(summary(tables)))


def summary(tables: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for part, is_held_out in (("tables", False), ("held_out", True)):
        names = [s.name for s in SOURCES if s.is_held_out == is_held_out and s.name in tables]
        found[part] = len(names)
        for other in ("boosting", "linear"):
            found[f"{part}_at_or_above_{other}"] = sum(
                tables[name]["ours"] >= tables[name][other] for name in names
            )
    return found


def table(source: Source, folder: Path, trials: int) -> dict[str, Any]:
    """The test figures of all three, roc_auc or r2, and the bytes of their files."""
    parts = split(source, folder / source.file)
    own, figures = ours(parts, trials), others(parts)
    return {
        "metric": "r2" if parts.is_regression else "roc_auc",
        "rows": [len(parts.train), len(parts.test)],
        "columns": parts.train.shape[1] - 1,
        **own,
        **figures,
    }


def split(source: Source, file: Path) -> Parts:
    rows = pd.read_csv(file, index_col=0).drop(columns=list(source.drop))
    rows = rows.dropna(subset=[source.target])
    if len(rows) > MOST_ROWS:
        rows = rows.sample(MOST_ROWS, random_state=0)
    answers = rows[source.target]
    is_regression = answers.nunique() > 2
    train, test = train_test_split(
        rows, test_size=0.25, random_state=0, stratify=None if is_regression else answers
    )
    return Parts(train, test, source.target, is_regression)


def ours(parts: Parts, trials: int) -> dict[str, Any]:
    """Our model's figure on the test rows, its bytes, and how the trials ended."""
    metric = "r2" if parts.is_regression else "roc_auc"
    task = "regression" if parts.is_regression else "classification"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        parts.train.to_csv(folder / "train.csv", index=False)
        parts.test.to_csv(folder / "test.csv", index=False)
        kind = ("--target", parts.target, "--task", task)
        return searched(folder, ("train.csv", "test.csv"), kind, metric, trials)


def searched(
    folder: Path,
    files: tuple[str, str],
    kind: Sequence[str],
    metric: str,
    trials: int,
    options: Sequence[str] = (),
) -> dict[str, Any]:
    """What a user gets who searches the space that `automl init` writes for a folder's training
    file, with its arguments `kind` and the search's `options`: the best model's figure on the test
    file, its bytes, and how the trials ended."""

    def automl(*arguments: str) -> Any:
        command = [*COMMAND, *arguments, "--json"]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            ended = f"automl {arguments[0]} exited with {done.returncode}"
            raise RuntimeError(f"{ended}, after what stands above, and {done.stdout[-SAID:]!r}")
        return json.loads(done.stdout)

    train, test = files
    automl("init", train, *kind, "--out", "space.py")
    search = ("search", "space.py", "--set", f"dataset.test_path={test}", "--name", "own")
    began = time.perf_counter()
    ended = automl(*search, "--trials", str(trials), *options, "--home", "home")
    seconds = time.perf_counter() - began
    taken = automl("export", "own", "--best", metric, "--out", "model", "--home", "home")
    return {
        "ours": taken["measurement"]["test"][metric],
        "ours_95": taken["measurement"][f"test_{metric}_95"],
        "bytes": taken["files"]["model.onnx"],
        "trials": ended["trials"],
        "seconds": round(seconds),
    }


def others(parts: Parts) -> dict[str, Any]:
    """The figures and the pickled bytes of scikit-learn's models."""
    inputs = parts.train.drop(columns=parts.target)
    texts = make_column_selector(dtype_exclude="number")
    numbers = make_column_selector(dtype_include="number")
    plain = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("texts", OneHotEncoder(handle_unknown="ignore"), texts),
        ]
    )
    regression, two_classes = parts.is_regression, LogisticRegression(max_iter=1000)
    models = {
        "boosting": HistGradientBoostingRegressor(random_state=0)
        if regression
        else HistGradientBoostingClassifier(random_state=0),
        "linear": make_pipeline(plain, Ridge() if regression else two_classes),
    }
    codes = {name: inputs[name].astype("category").dtype for name in texts(inputs)}
    found: dict[str, Any] = {}
    for name, model in models.items():
        kinds = codes if name == "boosting" else {}
        answers = parts.train[parts.target]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(inputs.astype(kinds), answers)
            rows = parts.test.drop(columns=parts.target).astype(kinds)
            found[name] = round(figure(model, rows, parts), 5)
        found[f"{name}_bytes"] = len(pickle.dumps(model))
    return found


def figure(model: Any, rows: pd.DataFrame, parts: Parts) -> float:
    answers = parts.test[parts.target]
    if parts.is_regression:
        return float(r2_score(answers, model.predict(rows)))
    last = model.classes_[1]
    return float(roc_auc_score(np.asarray(answers == last), model.predict_proba(rows)[:, 1]))


if __name__ == "__main__":
    main()
