"""Nodes that take no trials for now: how a node says why, and how trials are kept from it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection

import ray

from automl.store import Store

NODE_ID = "ray.io/node-id"
"""The label by which Ray knows a node."""
UNFIT = re.compile(r"\[unfit node (\w+)\]")


class UnfitNodeError(Exception):
    """A process of a trial is on a node that does not reach the store."""


def check_here(store: Store) -> None:
    """Raise UnfitNodeError where this node does not reach the search's store."""
    if not store.is_here():
        node = ray.get_runtime_context().get_node_id()
        raise UnfitNodeError(f"{without_store(store.url)} [unfit node {node}]")


def without_store(url: str) -> str:
    """Say that this node does not reach a store, and what to do."""
    return (
        f"the node {os.uname().nodename} does not reach the store {url}; "
        "choose a --home on a path that all nodes share, or a --store that all reach"
    )


def unfit_node(error: str) -> str:
    """The node's id in the words of an UnfitNodeError, however wrapped; "" in other words."""
    found = UNFIT.search(error)
    return found[1] if found else ""


def elsewhere(left_out: Collection[str]) -> dict[str, str]:
    """The label selector of a process that may be on any node but these."""
    return {NODE_ID: f"!in({', '.join(sorted(left_out))})"} if left_out else {}
