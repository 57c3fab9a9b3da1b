"""Probes whether a process listens at a worker's address."""

import asyncio
import socket
from typing import Any

PROBE_SECONDS = 1.0


async def port_is_closed(address: str) -> bool:
    """Returns whether every address behind ``host:port`` refuses connections.

    False after a time-out or for an unknown name: the worker may be alive behind a broken network.
    """
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            found = await loop.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
            return all([await _refuses(family, resolved) for family, _, _, _, resolved in found])
    except OSError:  # TimeoutError is an OSError
        return False


async def _refuses(family: int, resolved: tuple[Any, ...]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(probe, resolved)
        except ConnectionRefusedError:
            return True
        return False
