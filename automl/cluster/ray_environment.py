"""Ray's settings for a search, made before Ray is imported: it reads some only then."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ENVIRONMENT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # Any text. Ray tells of lost workers on standard output, which is for the result alone.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_USAGE_STATS_ENABLED": "0",
    # As Tune sets it for its actors.
    "PL_DISABLE_FORK": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "100000",
    "TUNE_MAX_PENDING_TRIALS_PG": "1000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_RESULT_BUFFER_LENGTH": "1000",
    "TUNE_RESULT_BUFFER_MIN_TIME_S": "0.2",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
"""Tune and Train write no files of their own, and give results a few times a second."""
LIGHT = "LIGHT_WORKER_OF_AUTOML"
"""The name in the environment of a worker that runs no trials, and has no use for `preload`."""


def token() -> str:
    """This user's token for Ray clusters, looked for where Ray does; "" when there is none."""
    if "RAY_AUTH_TOKEN" in os.environ:
        return os.environ["RAY_AUTH_TOKEN"].strip()
    file = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    try:
        return Path(file).read_text().strip()
    except OSError:
        return ""


for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)
# Without this no text is skipped.
os.environ["RAY_DEDUP_LOGS"] = "1"
if token() and "ray" not in sys.modules:
    # Without the mode a driver that has the token is told that there is no cluster. Set after
    # Ray was imported it would reach the processes that Ray starts, and not this one.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
