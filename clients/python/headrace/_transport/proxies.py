"""Finds the proxy that gRPC uses for a gateway. Loopback never goes through one.

gRPC reads ``grpc_proxy``, ``https_proxy`` and ``http_proxy`` in small letters, and dials even loopback
through them. It ignores ``NO_PROXY`` in capitals.
"""

import os
from typing import NamedTuple
from urllib.parse import urlsplit

from headrace.no_proxy import is_excluded, is_local

_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
_EXCLUSIONS = ("no_grpc_proxy", "no_proxy", "NO_PROXY")
_LOCAL_SCHEMES = ("unix", "unix-abstract", "vsock")


class Proxy(NamedTuple):
    """A proxy of the environment.

    Attributes:
        variable: Name of the variable that sets it.
        address: ``host:port`` without credentials.
    """

    variable: str
    address: str


def find_proxy(target: str) -> Proxy | None:
    """Returns the proxy for a gRPC target. None for a direct connection.

    A connection is direct if every address of the target is on this machine, or is excluded by NO_PROXY or
    no_proxy.
    """
    if all(is_local(host) or _is_excluded(host) for host in _hosts(target)):
        return None
    for variable in _VARIABLES:
        if value := os.environ.get(variable):
            parts = urlsplit(value if "://" in value else f"http://{value}")
            return Proxy(variable, parts.netloc.rpartition("@")[2])
    return None


def _hosts(target: str) -> list[str]:
    """Returns the hosts of a target, none for a socket of this machine."""
    scheme, _, rest = target.partition(":")
    if scheme in _LOCAL_SCHEMES:
        return []
    if scheme in ("ipv4", "ipv6"):
        return [_without_port(address) for address in rest.lstrip("/").split(",")]
    endpoint = rest if scheme == "dns" else target
    return [_without_port(endpoint.rpartition("/")[2])]


def _without_port(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address if address.count(":") > 1 else address.partition(":")[0]


def _is_excluded(host: str) -> bool:
    entries = ",".join(os.environ.get(variable, "") for variable in _EXCLUSIONS).split(",")
    # A dot in front covers the domain itself too.
    return is_excluded(
        host, ",".join(entry.strip().removeprefix("*.").removeprefix(".") for entry in entries)
    )
