"""Every node of a cluster has the data before the first trial, or the search does not start."""

from __future__ import annotations

import os
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from automl import source
from automl.config import UserError
from automl.data import dataset
from automl.models.family import untrained
from automl.space import explore


def prepare(space_text: str, fixed: dict[str, str], folder: str, cache: Path) -> None:
    """Load a space's datasets on the other nodes, each into its cache.

    Raises UserError with the first that cannot be loaded.
    """
    own = ray.get_runtime_context().get_node_id()
    others = [node for node in ray.nodes() if node["Alive"] and node["NodeID"] != own]
    waiting = []
    for node in others:
        place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        task = _prepare.options(scheduling_strategy=place)
        waiting.append(task.remote(space_text, fixed, folder, str(cache)))
    for problem in ray.get(waiting):
        if problem:
            raise UserError(problem)


@ray.remote(num_cpus=0)
def _prepare(space_text: str, fixed: dict[str, str], folder: str, cache: str) -> str:
    """What is wrong with this node's data or its users' models, if anything."""
    try:
        space = source.load(space_text, fixed, folder=folder)
        for config in explore(space).configs:
            data = dataset.load(config.dataset, config.seed, Path(cache))
            untrained(config.model, data.about)
    except (UserError, OSError) as error:
        return f"{error} (on the node {os.uname().nodename})"
    return ""
