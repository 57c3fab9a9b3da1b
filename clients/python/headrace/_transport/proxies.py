"""Finds the proxy that gRPC uses for a gateway. Loopback never goes through one.

gRPC reads ``grpc_proxy``, ``https_proxy`` and ``http_proxy`` in small letters, and dials even loopback
through them. It ignores ``NO_PROXY`` in capitals.
"""

import ipaddress
import os
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

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
    if all(_is_local(host) or _is_excluded(host) for host in _hosts(target)):
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


def _is_local(host: str) -> bool:
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _is_excluded(host: str) -> bool:
    name = host.lower().rstrip(".")
    entries = ",".join(os.environ.get(variable, "") for variable in _EXCLUSIONS).lower().split(",")
    return any(_matches(name, entry.strip()) for entry in entries if entry.strip())


def _matches(host: str, entry: str) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(_without_port(entry), strict=False)
        except ValueError:
            return False
    domain = _without_port(entry).removeprefix("*").strip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))  # short forms, such as 127.1
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address
