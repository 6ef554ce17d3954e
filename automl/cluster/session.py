"""Connecting to Ray: a cluster's address, or a cluster of this machine alone."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import warnings
from collections.abc import Iterator

import ray

from automl.cluster import port_security
from automl.errors import UserError

PRELOAD = "RAY_preload_python_modules"
"""Ray's setting for what its workers import before they are given anything to do."""
WAITING = {
    PRELOAD: "automl.cluster.preload",
    # Ray may end workers that have waited for a second when their cores are reserved, which is
    # when trials are about to begin in them; seen in Ray 2.60, on a loaded machine.
    "RAY_idle_worker_killing_time_threshold_ms": "3600000",
}


@contextlib.contextmanager
def connected(address: str | None, preloads: bool = False) -> Iterator[None]:
    """A Ray session for the time of a search; a session that exists already is left open.

    Ray starts a worker for each processor at once. Those of a Ray of our own import all that
    trials need by themselves (`preloads`), while the search is prepared. Raises UserError when
    there is no cluster at the address.
    """
    if ray.is_initialized():
        yield
        return
    with _preloading(preloads and address is None), _initialized(address):
        yield


def has_preloaded() -> bool:
    """Tell whether the workers of this session import by themselves what trials need."""
    return PRELOAD in os.environ


@contextlib.contextmanager
def _preloading(preloads: bool) -> Iterator[None]:
    """Have the workers of a Ray that is started here import what trials need, and wait."""
    if not preloads or PRELOAD in os.environ:
        yield
        return
    new = WAITING.keys() - os.environ.keys()
    os.environ.update({name: WAITING[name] for name in new})
    try:
        yield
    finally:
        for name in new:
            del os.environ[name]


@contextlib.contextmanager
def _initialized(address: str | None) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            ray.init(
                address=address or "local",
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except ConnectionError as error:
            raise UserError(
                f"no Ray cluster at --address {address}: {str(error).splitlines()[0]}"
            ) from None
    try:
        yield
    finally:
        ray.shutdown()


def probe(address: str) -> None:
    """Raise UserError at once when nothing answers at a Ray address, or refuses this user."""
    if address in ("auto", "local"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"no Ray cluster answers at --address {address} ({error}); "
            "start one with `ray start --head`, or leave --address out to use this machine"
        ) from None
    if not address.startswith("ray://") and (reason := port_security.refusal(address)):
        raise UserError(reason)
