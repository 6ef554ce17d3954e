"""Causes for which a trial loses its process, in Ray's words and in ours."""

from __future__ import annotations

MAX_LOST_NODES = 10
"""A node that goes is no fault of its trial's, unless it takes every node along."""
NODE_LOST, NODE_TAKEN = "its node was lost", "its node was taken away"
CAUSES = {
    "OUT_OF_MEMORY": "its node ran out of memory",
    "low on memory": "its node ran out of memory",
    "node has died": NODE_LOST,
    "node was terminated": NODE_LOST,
    "preempted": NODE_TAKEN,
}
"""Ray's words for the cause of an actor's loss, and ours."""


def cause(error: str) -> str:
    """The cause of an actor's loss, from Ray's words for it."""
    return next((ours for words, ours in CAUSES.items() if words in error), "its process ended")


def is_lost_node(error: str) -> bool:
    """Tell whether an actor was lost because its node has gone, as spot nodes do."""
    return cause(error) in (NODE_LOST, NODE_TAKEN)
