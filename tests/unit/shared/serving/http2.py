"""A client of HTTP/2 that sends what no gRPC library would. Frames are made by hand."""

import asyncio
import struct
from typing import Self

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, CONTINUATION = 0, 1, 3, 4, 9
END_STREAM, END_HEADERS = 1, 4
_MAX_FRAME_BYTES = 16_000


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _text(value: bytes) -> bytes:
    """Encodes a string of HPACK, without Huffman's code."""
    if len(value) < 127:
        return bytes([len(value)]) + value
    length, rest = bytearray([127]), len(value) - 127
    while rest >= 128:
        length.append(rest % 128 | 128)
        rest //= 128
    return bytes([*length, rest]) + value


def header_block(path: bytes, *more: tuple[bytes, bytes]) -> bytes:
    fields = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"test"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        *more,
    )
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)


def message(body: bytes) -> bytes:
    """Returns a gRPC message."""
    return b"\0" + struct.pack(">I", len(body)) + body


class RawConnection:
    """One connection. Use it as an async context manager.

    Args:
        target: ``host:port``.
    """

    def __init__(self, target: str) -> None:
        self._host, _, self._port = target.rpartition(":")
        self._last_stream = -1

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, int(self._port))
        self.send(PREFACE + frame(SETTINGS, 0, 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def flush(self) -> None:
        await self._writer.drain()

    def call(self, path: bytes, body: bytes | None = b"", *more: tuple[bytes, bytes], ends=True) -> None:
        """Begins a call.

        Args:
            path: Path, of any bytes.
            body: Bytes of the request's data. None for a call that ends with its headers.
            more: Further headers.
            ends: Whether the data end the stream.
        """
        self._last_stream += 2
        stream, block = self._last_stream, header_block(path, *more)
        parts = [block[at : at + _MAX_FRAME_BYTES] for at in range(0, len(block), _MAX_FRAME_BYTES)]
        for place, part in enumerate(parts):
            flags = END_HEADERS if place == len(parts) - 1 else 0
            if body is None and not place:
                flags |= END_STREAM
            self.send(frame(CONTINUATION if place else HEADERS, flags, stream, part))
        if body is not None:
            self.send(frame(DATA, END_STREAM if ends else 0, stream, body))

    async def status(self) -> int:
        """Waits for the next status of a call."""
        async with asyncio.timeout(10):
            await self._reader.readuntil(b"grpc-status")
            length = (await self._reader.readexactly(1))[0]
            return int(await self._reader.readexactly(length))

    async def goodbye(self) -> None:
        """Waits until the server announces that it accepts no more calls."""
        async with asyncio.timeout(10):
            await self._reader.readuntil(b"Server shutdown")
