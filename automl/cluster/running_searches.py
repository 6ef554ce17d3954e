"""The searches that run on a cluster: each says so there, for colleagues to see."""

from __future__ import annotations

import contextlib
import json
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from ray.exceptions import AuthenticationError
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.state import list_placement_groups
from ray.util.state.exception import RayStateApiException

from automl.errors import UserError

MARK = "automl search "
ONE_BYTE = {"memory": 1}
"""What a placard reserves: the least that Ray counts, of what no trial asks for."""
ASK_SECONDS = 10


@dataclass(frozen=True)
class RunningSearch:
    """A search on a cluster: its name, who runs it, from which host and home, since when.

    `since` is in seconds since 1970.
    """

    search: str
    user: str
    host: str
    home: str
    since: float


@contextlib.contextmanager
def announced(search: str, user: str, home: str) -> Iterator[None]:
    """Have a placard up for a search; Ray takes it down should this process die.

    The placard is the name of a placement group, which needs no process and which the dashboard
    tells to whoever may ask.
    """
    told = RunningSearch(search, user, platform.node(), home, round(time.time()))
    placard = placement_group([ONE_BYTE], name=MARK + json.dumps(asdict(told)))
    try:
        yield
    finally:
        remove_placement_group(placard)


def running(address: str) -> list[RunningSearch]:
    """The searches that run on a cluster, the oldest first.

    `address` is the dashboard's. Raises UserError when it does not answer, or not to this user.
    """
    if not address.startswith(("http://", "https://")):
        raise UserError(
            f"--address {address} is no dashboard; give that of the cluster's head, "
            "e.g. http://HEAD:8265"
        )
    try:
        groups = list_placement_groups(address, timeout=ASK_SECONDS, limit=10_000)
    except AuthenticationError as error:
        raise UserError(
            f"the cluster at --address {address} does not let this user in "
            f"({str(error).splitlines()[0]}); "
            "copy the head's ~/.ray/auth_token to this machine, or set RAY_AUTH_TOKEN"
        ) from None
    except (ConnectionError, OSError, RayStateApiException) as error:
        raise UserError(
            f"the cluster at --address {address} does not answer ({str(error).splitlines()[0]}); "
            "give the address of the head's dashboard, e.g. http://HEAD:8265"
        ) from None
    names = [group.name for group in groups if group.state != "REMOVED"]
    found = [RunningSearch(**json.loads(n.removeprefix(MARK))) for n in names if n.startswith(MARK)]
    return sorted(found, key=lambda one: one.since)
