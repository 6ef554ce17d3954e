"""Who is let in where a Ray cluster listens."""

from __future__ import annotations

import socket
import urllib.request
from functools import partial
from typing import Any

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
    """Whether anything listens there."""
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except OSError:
        return False
    return True


def refusal(address: str) -> str:
    """Why the head at `host:port` does not let this user in; "" if it does, or is no head."""
    token = ray_environment.token()
    if _asks(address, token, HEAD) != grpc.StatusCode.UNAUTHENTICATED:
        return ""
    given = "refuses the one that this user has" if token else "this user has none"
    return (
        f"the Ray cluster at {address} asks for a token and {given}; "
        "copy the head's ~/.ray/auth_token to this machine, or set RAY_AUTH_TOKEN"
    )


def findings(
    hosts: list[str], gcs_port: int = GCS_PORT, dashboard_port: int = DASHBOARD_PORT
) -> dict[str, str]:
    """For each of Ray's ports that is open on one of these hosts: who is let in."""
    found = {}
    for host in hosts:
        is_open = {
            gcs_port: partial(_lets_in, f"{host}:{gcs_port}", HEAD),
            dashboard_port: partial(_shows, f"http://{host}:{dashboard_port}/api/jobs/"),
            CLIENT_PORT: partial(_lets_in, f"{host}:{CLIENT_PORT}", CLIENT),
        }
        for port, to_all in is_open.items():
            if answers(host, port):
                state = f"open, asks for no token: {SHUT}" if to_all() else "open, asks for a token"
                found[f"{host}:{port}"] = state
    return found


def _lets_in(address: str, method: str) -> bool:
    """Whether a call is answered that brings no token."""
    return bool(_asks(address, "", method) == grpc.StatusCode.OK)


def _asks(address: str, token: str, method: str) -> Any:
    """What a call with this token comes to."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(method)(b"", timeout=SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def _shows(url: str) -> bool:
    """Whether a page is given to anybody."""
    try:
        urllib.request.urlopen(url, timeout=SECONDS).close()
    except OSError:
        return False
    return True
