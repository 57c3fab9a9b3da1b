"""A proxy in front of the model's server. It records each call with what became of it."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from tests.real_model.model_server import Tokens

_PASSED_HEADERS = ("Content-Type", "Retry-After")


@dataclass(eq=False)
class Call:
    """One call.

    Attributes:
        begin: Monotonic time at which it came, in seconds.
        body: Body of the request.
        end: Monotonic time at which it ended. None: it is in flight.
        outcome: ``answered``, ``server lost``, ``client left``, or else the status of the response.
        tokens: Tokens of its usage, as the server told them.
    """

    begin: float
    body: bytes
    end: float | None = None
    outcome: str = "in flight"
    tokens: Tokens = field(default_factory=Tokens)

    @property
    def text(self) -> str:
        """First message of the user, which tells the item."""
        messages: list[dict[str, str]] = orjson.loads(self.body)["messages"]
        return next(message["content"] for message in messages if message["role"] == "user")


def tokens_of(calls: Iterable[Call]) -> Tokens:
    """Returns the sum of the tokens of calls."""
    return sum((call.tokens for call in calls), Tokens())


class RecordingProxy:
    """Forwards calls and records them. Its port is closed while the server is away, like that of the server.

    Args:
        port: Port on 127.0.0.1.
        upstream: Address of the server, without a path.

    Attributes:
        calls: Calls since ``begin_record``, in the order in which they came.
    """

    def __init__(self, port: int, upstream: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.calls: list[Call] = []
        self._port = port
        self._upstream = upstream
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._forward)
        # The server stops writing an answer when its client leaves. So it must see that.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        self._site: web.TCPSite | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begins to listen."""
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        await self._runner.setup()
        await self.open_port()

    async def close(self) -> None:
        """Stops."""
        await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def open_port(self) -> None:
        """Accepts connections from now on."""
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await self._site.start()

    async def close_port(self) -> None:
        """Refuses new connections and breaks those that are open, as the death of the server does."""
        if self._site is not None:
            await self._site.stop()
        server = self._runner.server
        for connection in server.connections if server is not None else []:
            if connection.transport is not None:
                connection.transport.abort()

    def begin_record(self) -> None:
        """Forgets the calls recorded so far."""
        self.calls = []

    def in_flight(self) -> list[Call]:
        """Returns the calls in flight."""
        return [call for call in self.calls if call.end is None]

    async def _forward(self, request: web.Request) -> web.Response:
        call = Call(time.monotonic(), await request.read())
        if request.path.endswith("/completions"):
            self.calls.append(call)
        outcome = "client left"
        try:
            status, headers, answer = await self._ask(request, call.body)
        except aiohttp.ClientError:
            outcome = "server lost"
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)
        else:
            outcome = "answered" if status == 200 else str(status)
        finally:
            call.end, call.outcome = time.monotonic(), outcome
        if status == 200:
            call.tokens = _read_tokens(orjson.loads(answer).get("usage") or {})
        return web.Response(status=status, headers=headers, body=answer)

    async def _ask(self, request: web.Request, body: bytes) -> tuple[int, dict[str, str], bytes]:
        assert self._session is not None
        url = f"{self._upstream}{request.path_qs}"
        kept = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        async with self._session.request(request.method, url, data=body, headers=kept) as response:
            headers = {name: response.headers[name] for name in _PASSED_HEADERS if name in response.headers}
            return response.status, headers, await response.read()


def _read_tokens(usage: dict[str, Any]) -> Tokens:
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return Tokens(usage.get("prompt_tokens", 0), cached, usage.get("completion_tokens", 0))
