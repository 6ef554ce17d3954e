"""Which trials should go on: stop rules on the joint table of digits, at equal epochs of training.

python tests/benchmarks/stop_rule.py [--small] [--methods …] [--seeds 0 1 …] [--again]

The search is the real one on a virtual clock; its trials are looked up by `joint_board.py`. The
rules stand by themselves in the rows without reuse, under the same proposals; the peers as they
are used, and what random search reaches, are the rows under random proposals.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import report_file
from joint_board import FULL_REUSE, Board, Method, Trained
from stop_rule_rungs import TODAY
from stop_rule_summary import plot, summary
from stop_rule_syne import SyneRule
from table_search import WORKERS, Limit

from automl.study.stopping.stop_rule import StopRule

EPOCHS, SMALL_EPOCHS = 1500, 300
PACKAGES = ("optuna", "numpy", "scipy", "torch")
METHODS = {
    "full_reuse": FULL_REUSE,
    "third_reuse": Method(StopRule, TODAY, reuse=True),
    "third": Method(StopRule, TODAY),
    "ours_reuse": Method(reuse=True),
    "ours": Method(),
    "asha": Method(only_accuracy=True),
    "syne": Method(SyneRule),
    "full": Method(None),
    "ours_random": Method(sampler="random"),
    "asha_random": Method(sampler="random", only_accuracy=True),
    "syne_random": Method(SyneRule, sampler="random"),
    "full_random": Method(None, sampler="random"),
}
"""A search is `full_reuse` as used. Those named `third` have its rule for longer trainings, the
others of ours its rule until November 2026."""


def main() -> None:
    given = arguments()
    results = report_file.path("stop_rule", given.small)
    epochs, board = SMALL_EPOCHS if given.small else EPOCHS, Board("digits")
    report: dict[str, Any] = {"epochs": epochs, "workers": WORKERS, "cells": {}}
    report |= report_file.parts(results)
    for seed in given.seeds:
        for name in given.methods:
            if f"{name}.{seed}" not in report["cells"] or given.again:
                started = time.process_time()
                cell = played(board, METHODS[name], seed, epochs)
                report["cells"][f"{name}.{seed}"] = cell
                save(report, results)
                print(name, seed, cell["curve"][-1], cell["counts"], end=" ")
                print(f"{time.process_time() - started:.0f} s", flush=True)
    save(report, results)
    plot(report, results.with_suffix(".png"))
    print(json.dumps(summary(report)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int)
    given = parser.parse_args()
    given.seeds = given.seeds or [*range(2 if given.small else 10)]
    return given


def save(report: dict[str, Any], results: Path) -> None:
    report_file.write(results, {"summary": summary(report), **report}, PACKAGES)


def played(board: Board, method: Method, seed: int, epochs: int) -> dict[str, Any]:
    """A search until so many epochs have begun."""
    trained = Trained(method.reuse)
    found = board.play(method, seed, Limit(epochs, lambda event: trained.num_epochs), trained)
    counts = {name: value for name, value in vars(found).items() if name != "curve"}
    return {"curve": found.curve, "counts": {**counts, "epochs": trained.num_epochs}}


if __name__ == "__main__":
    main()
