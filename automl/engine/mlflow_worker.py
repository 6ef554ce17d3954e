"""A process that brings a search's journal to MLflow: `python -m automl.engine.mlflow_worker`.

Its input is a line of JSON with the home, the study and the server's URI; it works until that
input ends, and prints what was in the way at last.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from automl.engine.searches import Search, open_study
from automl.home import Home
from automl.tracking.delivery import Delivery
from automl.tracking.pages import files

NICENESS = 19
"""Below the trials, which Ray starts at 15."""


def main(delivery: Callable[[Mapping[str, str]], Delivery]) -> None:
    task = json.loads(sys.stdin.readline())
    closing = threading.Event()

    def read() -> None:
        sys.stdin.read()
        closing.set()

    threading.Thread(target=read, daemon=True).start()
    with contextlib.redirect_stdout(sys.stderr):
        away = delivery(task).work(closing)
    # Nobody reads where the search was killed.
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), f"{away}\n".encode())


def of_study(task: Mapping[str, str]) -> Delivery:
    home, uri = Home(Path(task["home"])), task["uri"]
    study = open_study(home, task["search"])
    artifacts = home.mlflow_artifacts if uri == home.mlflow_uri else None
    return Delivery(study, uri, artifacts, files.write, Search(study, home).shipped)


if __name__ == "__main__":
    os.nice(NICENESS)
    main(of_study)
