"""Sends random requests to services, and tallies what comes back."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from tests.chaos.fuzz.requests import RequestMaker

CONCURRENCY = 16
# A watch of a job that does not end is left after this time, in seconds.
STREAM_SECONDS = 0.3
CALL_SECONDS = 60.0
# Codes that no request may cause.
FAULTS = ("UNKNOWN", "INTERNAL")
# Statuses of gRPC's core, such as for a request that was written as the server ended the call.
_OF_THE_CORE = ("Received RST_STREAM", "Internal error from Core")


@dataclass
class Tally:
    """Outcomes of the calls.

    Attributes:
        codes: Number of calls by status code.
        faults: Examples of calls that ended with a code that no request may cause.
        longest_seconds: Longest time of a call with one response.
    """

    codes: Counter[str] = field(default_factory=Counter)
    faults: dict[str, bytes] = field(default_factory=dict)
    longest_seconds: float = 0.0

    def add(self, method: str, code: str, details: str, request: bytes) -> None:
        self.codes[code] += 1
        if code in FAULTS and not details.startswith(_OF_THE_CORE):
            self.faults.setdefault(f"{method} {code}: {details}", request[:2_000])


async def send_random_requests(
    services: Sequence[tuple[ServiceDescriptor, str]], count: int, maker: RequestMaker
) -> Tally:
    """Sends requests to all methods of the services in turn, and returns the outcomes.

    Args:
        services: Services with their addresses.
        count: Number of requests.
        maker: Makes the requests.
    """
    tally = Tally()
    async with _Channels() as channels:
        calls = _calls(services, count, maker)

        async def send() -> None:
            for target, method, requests in calls:
                await _call(channels.to(target), method, requests, tally)

        await asyncio.gather(*(send() for _ in range(CONCURRENCY)))
    return tally


def _calls(
    services: Sequence[tuple[ServiceDescriptor, str]], count: int, maker: RequestMaker
) -> Iterator[tuple[str, MethodDescriptor, list[bytes]]]:
    sources = [
        (target, method, maker.requests(method.input_type))
        for service, target in services
        for method in service.methods
    ]
    for number in range(count):
        target, method, requests = sources[number % len(sources)]
        yield target, method, [next(requests) for _ in range(3 if method.client_streaming else 1)]


class _Channels:
    def __init__(self) -> None:
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def __aenter__(self) -> "_Channels":
        return self

    async def __aexit__(self, *_: object) -> None:
        for channel in self._channels.values():
            await channel.close()

    def to(self, target: str) -> grpc.aio.Channel:
        if target not in self._channels:
            self._channels[target] = grpc.aio.insecure_channel(target)
        return self._channels[target]


async def _call(
    channel: grpc.aio.Channel, method: MethodDescriptor, requests: list[bytes], tally: Tally
) -> None:
    path = f"/{method.containing_service.full_name}/{method.name}"
    begin = time.monotonic()
    try:
        await _exchange(channel, path, method, requests)
        code, details = "OK", ""
    except grpc.aio.AioRpcError as error:
        code, details = error.code().name, error.details() or ""
    if not method.server_streaming:
        tally.longest_seconds = max(tally.longest_seconds, time.monotonic() - begin)
    tally.add(method.name, code, details, requests[-1])


async def _exchange(
    channel: grpc.aio.Channel, path: str, method: MethodDescriptor, requests: list[bytes]
) -> None:
    if not method.server_streaming:
        await channel.unary_unary(path)(requests[0], timeout=CALL_SECONDS)
        return
    stream: Any
    if method.client_streaming:
        stream = channel.stream_stream(path)(_sent(requests), timeout=CALL_SECONDS)
    else:
        stream = channel.unary_stream(path)(requests[0], timeout=CALL_SECONDS)
    try:
        async with asyncio.timeout(STREAM_SECONDS):
            async for _ in stream:
                pass
    except TimeoutError:
        stream.cancel()


async def _sent(requests: list[bytes]) -> AsyncIterator[bytes]:
    for request in requests:
        yield request


def resident_bytes(pid: int) -> int:
    """Returns the memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_descriptors(pid: int) -> int:
    """Returns the number of open files and sockets of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
