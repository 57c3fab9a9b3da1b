"""A cheap provider with weather: ``python -m tests.bench.weather.provider PORT CONTROL_PORT``.

Calls come to the first port. The second one stays open during outages: ``GET /counts`` returns the counts,
``POST /weather`` sets the weather and resets them, and ``POST /outage`` begins an outage.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from typing import Any

from aiohttp import web

from tests.bench.provider import Connection, run_fast
from tests.bench.weather.slots import Call, Slots, Weather

_ERROR = {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}
_ERROR_BODY = json.dumps(_ERROR).encode()


def rejection(retry_after: int | None) -> bytes:
    """Returns a 429."""
    header = b"" if retry_after is None else b"retry-after: %d\r\n" % retry_after
    return (
        b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b"
        % (header, len(_ERROR_BODY), _ERROR_BODY)
    )


class _WeatherConnection(Connection):
    """A connection, with at most one call at a time."""

    def __init__(self, provider: "WeatherProvider") -> None:
        super().__init__()
        self._provider = provider
        self._call: Call | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._provider.connections[self] = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        is_cut_off = self._provider.connections.pop(self, None) is None
        if self._call is not None:
            call, self._call = self._call, None
            self._provider.slots.leave(call, is_cut_off=is_cut_off)

    def receive(self, *, is_call: bool) -> None:
        if is_call:
            self._call = self._provider.slots.arrive(self)
        else:
            self.respond()

    def answer(self) -> None:
        self._call = None
        self.respond()

    def reject(self, retry_after: int | None) -> None:
        self.respond(rejection(retry_after))


class WeatherProvider:
    """Listens for calls, except during outages.

    Args:
        port: Port of the calls.

    Attributes:
        slots: Admission of the calls.
        connections: Open connections, each with its transport.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._outage: asyncio.Task[None] | None = None
        self.slots = Slots(self._loop.call_later)
        self.connections: dict[_WeatherConnection, asyncio.Transport] = {}

    async def listen(self) -> None:
        """Starts listening."""
        self._server = await self._loop.create_server(
            lambda: _WeatherConnection(self), "127.0.0.1", self._port, backlog=2048
        )

    def begin_outage(self, seconds: float) -> None:
        """Closes every connection, and refuses new ones for some seconds."""
        self._outage = self._loop.create_task(self._be_gone(seconds))

    async def _be_gone(self, seconds: float) -> None:
        if self._server is not None:
            self._server.close()
        transports = list(self.connections.values())
        self.connections.clear()  # so that their calls count as cut off
        for transport in transports:
            transport.abort()
        await asyncio.sleep(seconds)
        await self.listen()


async def _serve(port: int, control_port: int) -> None:
    provider = WeatherProvider(port)

    async def read_counts(request: web.Request) -> web.Response:
        return web.json_response(asdict(provider.slots.counts))

    async def set_weather(request: web.Request) -> web.Response:
        value: dict[str, Any] = await request.json()
        provider.slots.change_weather(Weather(**value))
        return web.json_response({})

    async def begin_outage(request: web.Request) -> web.Response:
        provider.begin_outage((await request.json())["seconds"])
        return web.json_response({})

    app = web.Application()
    app.router.add_get("/counts", read_counts)
    app.router.add_post("/weather", set_weather)
    app.router.add_post("/outage", begin_outage)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await provider.listen()
    await web.TCPSite(runner, "127.0.0.1", control_port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    run_fast(_serve(int(sys.argv[1]), int(sys.argv[2])))
