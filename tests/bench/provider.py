"""A very cheap provider that gives every call the same response after a fixed time.

``python -m tests.bench.provider PORT LATENCY_MS``. It implements just enough HTTP for clients that keep their
connections, and does not parse bodies, so that a measurement shows the cost of its caller. ``GET`` returns at
once.
"""

import asyncio
import json
import sys
from collections.abc import Coroutine
from typing import Any

_BODY = json.dumps(
    {
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 0, "model": "bench",
        "choices": [
            {
                "index": 0, "finish_reason": "stop", "logprobs": None,
                "message": {"role": "assistant", "content": "alpha", "refusal": None},
            }
        ],
        "usage": {
            "prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }
).encode()  # fmt: skip
RESPONSE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_BODY) + _BODY
)
_LENGTH = b"content-length:"


class Connection(asyncio.Protocol):
    """One connection. Subclasses respond to requests."""

    def __init__(self) -> None:
        self._data = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (head_end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:head_end].lower()
            start = head.find(_LENGTH)
            length = int(head[start + len(_LENGTH) :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(self._data) < head_end + 4 + length:
                return
            self._data = self._data[head_end + 4 + length :]
            self.receive(is_call=head.startswith(b"post"))

    def receive(self, *, is_call: bool) -> None:
        """Handles a request, which is a call or a question for the server's health."""
        raise NotImplementedError

    def respond(self, response: bytes = RESPONSE) -> None:
        """Sends a response, unless the connection is lost."""
        if self._transport is not None:
            self._transport.write(response)


class _SteadyConnection(Connection):
    def __init__(self, latency_seconds: float) -> None:
        super().__init__()
        self._latency_seconds = latency_seconds
        self._loop = asyncio.get_running_loop()

    def receive(self, *, is_call: bool) -> None:
        if self._latency_seconds and is_call:
            self._loop.call_later(self._latency_seconds, self.respond)
        else:
            self.respond()


def run_fast(serving: Coroutine[Any, Any, None]) -> None:
    """Runs a server, on uvloop if that is installed."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serving)
    else:
        uvloop.run(serving)


async def _serve(port: int, latency_ms: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _SteadyConnection(latency_ms / 1000), "127.0.0.1", port, backlog=2048
    )
    await server.serve_forever()


if __name__ == "__main__":
    run_fast(_serve(int(sys.argv[1]), float(sys.argv[2])))
