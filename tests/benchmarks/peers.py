"""Ours against what else a user could run: hypervolume over seconds, real training, equal time.

python tests/benchmarks/peers.py [--fashion FOLDER_OF_IDX_FILES] [--small] [--sets digits fashion]
    [--methods ours ray_optuna ray_asha syne_moasha random] [--seeds 0 1 2] [--again]

The same space, slots and trial code for all: training, compression, export, gate, and measuring
one file at a time. A cell is one method on one set under one seed, in a process of its own, with
Ray and all trials on a core of its own; those that are in the results already are not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import report_file
import torch
from cells import CACHE
from peers_cell import Request, freeze
from peers_summary import METHODS, plot, summary

from automl.data.idx import FashionMNIST
from automl.space import space_file

HERE = Path(__file__).parent
SECONDS = {"digits": 180, "fashion": 360}
SMALL_SECONDS = {"digits": 40, "fashion": 60}
SLOTS = 1
"""A cell has one core, and there are as many cells at once as there are cores."""
TRAIN_ROWS, TEST_ROWS = 10_000, 1_000
GRACE_SECONDS = 300
"""How long a cell may take to start and to end."""

PACKAGES = ("ray", "optuna", "syne-tune", "moocore", "torch", "onnxruntime")


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    results = report_file.path("peers", given.small)
    report: dict[str, Any] = {"sets": {}, "cells": {}}
    report |= report_file.parts(results)
    for name in given.sets:
        folder, space = place(name, given.fashion)
        seconds = (SMALL_SECONDS if given.small else SECONDS)[name]
        if name not in report["sets"]:
            report["sets"][name] = {"seconds": seconds, **freeze(space, str(folder), CACHE)}
        keys = [f"{name}.{method}.{seed}" for seed in given.seeds for method in given.methods]
        wanted = [key for key in keys if key not in report["cells"] or given.again]
        for key, found in cells(wanted, report["sets"][name], space, folder):
            report["cells"][key] = found
            save(report, results)
            print(key, f"{len(found['trials'])} trials", flush=True)
    save(report, results)
    plot(report, results.with_suffix(".png"))
    print(json.dumps(summary(report)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fashion", type=str, default=os.environ.get("FASHION_MNIST", ""))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--sets", nargs="+", choices=SECONDS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int)
    given = parser.parse_args()
    given.sets = given.sets or [name for name in SECONDS if name == "digits" or given.fashion]
    given.seeds = given.seeds or ([0] if given.small else [0, 1, 2])
    return given


def place(name: str, idx_files: str) -> tuple[Path, str]:
    """The folder of a set's data, where its searches are started, and its space file."""
    CACHE.mkdir(exist_ok=True)
    if name == "digits":
        return CACHE, str(space_file.find("digits").absolute())
    file = CACHE / "fashion_10k.npz"
    if not file.exists():
        if not idx_files:
            sys.exit("give the folder of the four Fashion-MNIST files, with --fashion")
        np.savez(file, **subset(idx_files))
    return CACHE, str(HERE / "fashion_10k.py")


def subset(idx_files: str) -> dict[str, Any]:
    """The first rows to learn from and of the test, as `Npz` reads them."""
    whole = FashionMNIST(idx_files).load()
    first_test = len(whole.targets) - whole.num_test
    train, test = slice(TRAIN_ROWS), slice(first_test, first_test + TEST_ROWS)
    return {
        "inputs": whole.inputs[train],
        "targets": whole.targets[train],
        "test_inputs": whole.inputs[test],
        "test_targets": whole.targets[test],
    }


def cells(
    keys: list[str], frozen: dict[str, Any], space: str, folder: Path
) -> Iterator[tuple[str, Any]]:
    """Run cells, one on each core, and give each as it ends."""
    cores = sorted(os.sched_getaffinity(0))
    free: SimpleQueue[int] = SimpleQueue()
    for core in cores:
        free.put(core)

    def run(key: str) -> tuple[str, Any]:
        _, method, seed = key.split(".")
        core = free.get()
        try:
            request = Request(
                space, method, int(seed), slots=SLOTS, core=core, cache=str(CACHE), **frozen
            )
            return key, cell(request, folder)
        finally:
            free.put(core)

    pool = ThreadPoolExecutor(len(cores))
    try:
        for ended in as_completed([pool.submit(run, key) for key in keys]):
            yield ended.result()
    finally:
        pool.shutdown(cancel_futures=True)


def cell(request: Request, folder: Path) -> Any:
    """Run a cell in a process of its own, so that Ray is fresh; what it prints goes to a log."""
    with tempfile.TemporaryDirectory() as scratch:
        asked, answered = Path(scratch, "request.json"), Path(scratch, "result.json")
        asked.write_text(json.dumps(asdict(request)))
        command = [sys.executable, str(HERE / "peers_cell.py"), str(asked), str(answered)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        limit = request.seconds + GRACE_SECONDS
        with (CACHE / f"peers-{request.core}.log").open("w") as log:
            subprocess.run(
                command,
                cwd=folder,
                env=environment,
                timeout=limit,
                check=True,
                stdout=log,
                stderr=log,
            )
        return {"date": time.strftime("%Y-%m-%d"), **json.loads(answered.read_text())}


def save(report: dict[str, Any], results: Path) -> None:
    report_file.write(results, {"summary": summary(report), **report}, PACKAGES)


if __name__ == "__main__":
    main()
