"""A very cheap provider that gives every call the same response after a fixed time.

``python -m tests.bench.provider PORT LATENCY_MS``. It implements just enough HTTP for clients that keep their
connections, and does not parse bodies, so that a measurement shows the cost of its caller. ``GET`` returns at
once.
"""

import asyncio
import json
import sys

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
_RESPONSE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_BODY) + _BODY
)
_LENGTH = b"content-length:"


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, latency_seconds: float) -> None:
        self._latency_seconds = latency_seconds
        self._loop = asyncio.get_running_loop()
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
            if self._latency_seconds and head.startswith(b"post"):
                self._loop.call_later(self._latency_seconds, self._respond)
            else:
                self._respond()

    def _respond(self) -> None:
        if self._transport is not None:
            self._transport.write(_RESPONSE)


async def _serve(port: int, latency_ms: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(latency_ms / 1000), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
    else:
        uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
