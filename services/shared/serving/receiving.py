"""Bounds the requests that have begun to arrive, and that gRPC holds in memory until they are whole.

gRPC has options for the size of a message, but none for the bytes of all half-sent messages, and its resource
quota cannot be reached from Python. A client that sends half of many large messages could fill the memory.
"""

import asyncio
import ctypes
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from prometheus_client import Counter

from headrace.errors import HeadraceError, UnavailableError
from services.shared.logging import get_logger
from services.shared.serving.rpc_handlers import Context

log = get_logger(__name__)

REQUESTS_SHED = Counter(
    "headrace_requests_shed_total",
    "Calls ended because their request did not arrive in time, or because memory was short.",
    ["cause"],
)

# Time for a request of a unary call to arrive, in seconds.
ARRIVAL_SECONDS = 30.0
CHECK_SECONDS = 0.1
# Above this, requests that still arrive are given up. The services stay below 300 MB in normal use.
MEMORY_BYTES = 512 * 1024 * 1024
# Share of the memory limit of a container that counts as short.
_CONTAINER_SHARE = 0.8
# Waits after which a request is given up while memory is short, in seconds. A request of a unary call follows
# its headers at once. A stream may wait for its client's next batch.
_UNARY_SECONDS_WHEN_SHORT = 0.25
_STREAM_SECONDS_WHEN_SHORT = 1.0

_MEMORY_OF_CONTAINER = Path("/sys/fs/cgroup/memory.max")
_MEMORY_OF_PROCESS = Path("/proc/self/statm")
_PAGE_BYTES = 4096


def used_memory() -> int:
    """Returns the bytes of memory that this process holds. 0 on a system without ``/proc``."""
    try:
        return int(_MEMORY_OF_PROCESS.read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def memory_limit(used_before: int = 0) -> int:
    """Returns the bytes above which memory counts as short: 512 MB, or less in a smaller container.

    Args:
        used_before: Bytes that the process held before its server began. Requests get 256 MB beyond them, so
            that a large process that serves too, such as one of tests, does not refuse slow requests.
    """
    limit = max(MEMORY_BYTES, used_before + MEMORY_BYTES // 2)
    try:
        return min(limit, int(int(_MEMORY_OF_CONTAINER.read_text()) * _CONTAINER_SHARE))
    except (OSError, ValueError):  # not a container with a limit
        return limit


class Receiving:
    """Calls that wait for a request of their client.

    Args:
        used: Returns the bytes of memory in use.
        limit: Bytes above which memory counts as short. None for those of ``memory_limit``.
        arrival_seconds: Time for the request of a unary call to arrive.
    """

    def __init__(
        self,
        used: Callable[[], int] = used_memory,
        limit: int | None = None,
        arrival_seconds: float = ARRIVAL_SECONDS,
    ) -> None:
        self._used = used
        self._limit = memory_limit(used()) if limit is None else limit
        self._arrival_seconds = arrival_seconds
        self._unary: dict[asyncio.Task[Any], float] = {}
        self._streams: dict[asyncio.Task[Any], float] = {}
        self._shed: dict[asyncio.Task[Any], HeadraceError] = {}

    async def read(self, context: Context) -> Any:
        """Returns the one request of a call. ``grpc.aio.EOF`` if the client ended its side without one.

        Raises:
            UnavailableError: The request did not arrive in time, or memory is short.
        """
        return await self._wait(self._unary, context.read)

    async def next(self, requests: Any) -> Any:
        """Returns the next request of a stream.

        Raises:
            StopAsyncIteration: The client has ended its side.
            UnavailableError: Memory is short.
        """
        return await self._wait(self._streams, requests.__anext__)

    async def _wait(self, waiting: dict[asyncio.Task[Any], float], receive: Callable[[], Any]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        waiting[task] = monotonic()
        try:
            return await receive()
        except asyncio.CancelledError:
            error = self._shed.pop(task, None)
            if error is None:
                raise
            task.uncancel()
            raise error from None
        finally:
            del waiting[task]

    async def supervise(self) -> None:
        """Ends calls that wait too long, until it is cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            self.check(monotonic())

    def check(self, now: float) -> None:
        """Ends calls whose request is late, and all that still receive one if memory is short.

        Args:
            now: Monotonic clock, in seconds.
        """
        seconds = round(self._arrival_seconds)
        self._give_up(
            self._unary,
            now - self._arrival_seconds,
            "late",
            f"the request did not arrive within {seconds} s; repeat the call",
        )
        if not (self._unary or self._streams) or self._used() <= self._limit:
            return
        message = "the server is short of memory; repeat the call"
        count = self._give_up(self._unary, now - _UNARY_SECONDS_WHEN_SHORT, "memory", message)
        count += self._give_up(self._streams, now - _STREAM_SECONDS_WHEN_SHORT, "memory", message)
        if count:
            log.warning("memory_short", used_bytes=self._used(), limit_bytes=self._limit, ended_calls=count)
            asyncio.get_running_loop().call_later(CHECK_SECONDS, _return_free_memory)

    def _give_up(self, waiting: dict[asyncio.Task[Any], float], before: float, cause: str, why: str) -> int:
        count = 0
        for task, start in waiting.items():  # in the order of their starts
            if start > before:
                break
            if task not in self._shed and not task.done():
                self._shed[task] = UnavailableError(why)
                task.cancel()
                count += 1
        REQUESTS_SHED.labels(cause).inc(count)
        return count


def _return_free_memory() -> None:
    """Returns freed memory to the system. Otherwise the process would count as short of it for long."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
