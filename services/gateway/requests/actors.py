"""The actor of a change: the client that asked, as the history of a job shows it."""

import re
from typing import Any

import grpc

# A name and a version, such as headrace-python/1.0. Nothing else of a user agent is kept.
_PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}/[0-9][A-Za-z0-9.+_-]{0,19}(?=[ ;]|$)")
_ADDRESS = re.compile(r"(?:ipv4:([0-9.]+)|ipv6:(?:%5B|\[)([0-9a-fA-F:.]+)(?:%25[^\]%]*)?(?:%5D|\])):[0-9]+")


def actor_of(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Returns the address and the program of a caller, such as ``10.0.0.7 (grpc-python-asyncio/1.85.1)``.

    It is up to 100 printable characters without secrets: the address is that of the connection, without its
    port, and of the user agent only the first name with a version is kept. Empty if neither is known.
    """
    address = _address_of(context.peer() or "")
    agents = [value for key, value in context.invocation_metadata() or () if key == "user-agent"]
    product = _PRODUCT.match(agents[0]) if agents and isinstance(agents[0], str) else None
    if product is None:
        return address
    return f"{address} ({product[0]})" if address else product[0]


def _address_of(peer: str) -> str:
    if peer.startswith("unix:"):
        return "unix socket"
    found = _ADDRESS.fullmatch(peer)
    return (found[1] or found[2])[:45] if found else ""
