"""Connects to a port of this process, to find whether gRPC accepts connections there."""

import asyncio
from contextlib import suppress
from enum import Enum, auto

# Time for gRPC's own threads to greet a connection, in seconds. They do not wait for the event loop.
GREETING_SECONDS = 2.0

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_FRAME_HEAD_BYTES = 9
_ANY_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound


class Greeting(Enum):
    """Outcome of a connection."""

    ANSWERED = auto()
    REFUSED = auto()
    SILENT = auto()
    NOT_TRIED = auto()


async def greeting_of(host: str, port: int) -> Greeting:
    """Connects, and waits for the first frame of HTTP/2 or the end of the connection.

    Args:
        host: Host that the server listens on. A wildcard stands for loopback.
        port: Port that the server listens on.

    Returns:
        NOT_TRIED if no connection can be made for another reason, such as too many open files.
    """
    host = host.strip("[]")
    try:
        async with asyncio.timeout(GREETING_SECONDS):
            reader, writer = await asyncio.open_connection(_ANY_HOSTS.get(host, host), port)
            try:
                writer.write(_PREFACE)
                with suppress(asyncio.IncompleteReadError, ConnectionError):
                    await reader.readexactly(_FRAME_HEAD_BYTES)
                return Greeting.ANSWERED
            finally:
                writer.transport.abort()
    except ConnectionRefusedError:
        return Greeting.REFUSED
    except TimeoutError:
        return Greeting.SILENT
    except OSError:
        return Greeting.NOT_TRIED
