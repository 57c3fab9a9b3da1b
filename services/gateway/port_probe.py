"""Finding out whether anybody listens at a worker's address."""

import asyncio
import socket
from typing import Any

PROBE_SECONDS = 1.0


async def port_is_closed(address: str) -> bool:
    """Returns whether every address behind ``host:port`` refuses connections.

    A time-out or an unknown name is not closed: the worker may live behind a broken network.
    """
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            places = await loop.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
            return all([await _refuses(family, place) for family, _, _, _, place in places])
    except OSError:  # a TimeoutError is one too
        return False


async def _refuses(family: int, place: tuple[Any, ...]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(probe, place)
        except ConnectionRefusedError:
            return True
        return False
