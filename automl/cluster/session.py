"""Connecting to Ray: a cluster's address, or a cluster of this machine alone."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import warnings
from collections.abc import Iterator

import ray

from automl.cluster import own_ray, port_security
from automl.errors import UserError

NO_HOST = ("auto", "local")
"""Ray's words for a cluster of this machine, in the place of an address."""


@contextlib.contextmanager
def connected(address: str | None, preloads: bool = False) -> Iterator[None]:
    """A Ray session for the time of a search; a session that exists already is left open.

    Without an address it is a Ray of our own, which may have begun before. It starts a worker for
    each processor at once; these import all that trials need by themselves (`preloads`), while the
    search is prepared. Raises UserError when there is no cluster at the address.
    """
    if ray.is_initialized() and not own_ray.is_begun():
        yield
        return
    with _joined(address) if address else own_ray.used(preloads):
        yield


def has_preloaded() -> bool:
    """Tell whether the workers of this session import by themselves what trials need."""
    return own_ray.PRELOAD in os.environ


@contextlib.contextmanager
def _joined(address: str) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError as error:
            raise UserError(
                f"no Ray cluster at --address {address}: {str(error).splitlines()[0]}"
            ) from None
        except RuntimeError as error:
            if not (reason := _mismatch(str(error))):
                raise
            raise UserError(f"--address {address}: {reason}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _mismatch(error: str) -> str:
    """A sentence on the unlike versions that an error of Ray tells; "" of another error."""
    versions = re.findall(r"Ray: (\S+)\s+Python: (\S+)", error)
    if not error.startswith("Version mismatch") or len(versions) != 2:
        return ""
    there, here = (f"Ray {ray} on Python {python}" for ray, python in versions)
    return (
        f"the cluster runs {there}, and this machine {here}; "
        "install the same versions on all machines"
    )


def probe(address: str) -> None:
    """Raise UserError at once when nothing answers at a Ray address, or refuses this user."""
    if address in NO_HOST:
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
