"""Servers that break a call in one particular way, on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

CERTIFICATE = Path(__file__).parent / "self_signed.pem"
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(script: Script, *, tls: bool = False) -> AsyncIterator[int]:
    """Runs a script for every connection, then closes it. Yields the port."""

    async def serve(reader, writer):
        try:
            await script(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def sending(*parts: str, pause: float = 0.0, reset: bool = False) -> Script:
    """Returns a script that reads the request and sends the parts, with pauses between them."""

    async def script(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part.encode())
            await writer.drain()
            await asyncio.sleep(pause)
        if reset:
            writer.transport.abort()

    return script


async def closing_at_once(reader, writer):
    """Reads nothing, sends nothing."""


def response(body: str, status: str = "200 OK", *headers: str) -> str:
    """Returns a complete HTTP response."""
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines) + "\r\n\r\n" + body
