"""Ports of a Ray cluster: those that are open, and the users whom they let in."""

from __future__ import annotations

import socket
import urllib.request
from functools import partial

import grpc

from automl.cluster import ray_environment

GCS_PORT, DASHBOARD_PORT, CLIENT_PORT = 6379, 8265, 10001
SECONDS = 5.0
HEAD, CLIENT = "/ray.rpc.NodeInfoGcsService/GetClusterId", "/ray.rpc.RayletDriver/ClusterInfo"
"""Calls that change nothing, without which no driver or client gets in."""
SHUT = (
    "everybody who reaches it runs programs there: start the head with a token "
    "(`ray get-auth-token --generate`, then RAY_AUTH_MODE=token ray start --head), for this "
    "machine alone (--node-ip-address 127.0.0.1), or have a firewall shut the port"
)


def answers(host: str, port: int) -> bool:
    """True when anything listens on the port."""
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except OSError:
        return False
    return True


def refusal(address: str) -> str:
    """The reason why the head at `host:port` does not let this user in.

    Returns "" if the head does, or if no head is there.
    """
    token = ray_environment.token()
    if _status(address, token, HEAD) != grpc.StatusCode.UNAUTHENTICATED:
        return ""
    fault = "refuses the one that this user has" if token else "this user has none"
    return (
        f"the Ray cluster at {address} asks for a token and {fault}; "
        "copy the head's ~/.ray/auth_token to this machine, or set RAY_AUTH_TOKEN"
    )


def findings(
    hosts: list[str], gcs_port: int = GCS_PORT, dashboard_port: int = DASHBOARD_PORT
) -> dict[str, str]:
    """Findings by `host:port`, one for each of Ray's ports that is open on these hosts.

    A finding says if the port asks for a token, and what to do if not.
    """
    found = {}
    for host in hosts:
        is_open = {
            gcs_port: partial(_lets_in, f"{host}:{gcs_port}", HEAD),
            dashboard_port: partial(_shows, f"http://{host}:{dashboard_port}/api/jobs/"),
            CLIENT_PORT: partial(_lets_in, f"{host}:{CLIENT_PORT}", CLIENT),
        }
        for port, lets_all_in in is_open.items():
            if answers(host, port):
                state = (
                    f"open, asks for no token: {SHUT}"
                    if lets_all_in()
                    else "open, asks for a token"
                )
                found[f"{host}:{port}"] = state
    return found


def _lets_in(address: str, method: str) -> bool:
    """True when a call is answered that brings no token."""
    return bool(_status(address, "", method) == grpc.StatusCode.OK)


def _status(address: str, token: str, method: str) -> grpc.StatusCode:
    """The status of a call with this token."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(method)(b"", timeout=SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def _shows(url: str) -> bool:
    """True when a page is given to anybody."""
    try:
        urllib.request.urlopen(url, timeout=SECONDS).close()
    except OSError:
        return False
    return True
