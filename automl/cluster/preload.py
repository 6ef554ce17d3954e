"""Imports all that a trial needs: for a worker that Ray starts before there is a trial."""

from __future__ import annotations

import importlib
import os

from automl.cluster.ray_environment import LIGHT
from automl.loading import without_collections

if LIGHT not in os.environ:
    # Libraries read this once, when they are loaded.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with without_collections():
        importlib.import_module("automl.cluster.actor")
