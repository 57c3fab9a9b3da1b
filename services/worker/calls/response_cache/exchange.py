"""Connection to the response store. It gathers commands into exchanges, and pauses while the store fails."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from services.shared.degradation import Degradation
from services.shared.logging import get_logger
from services.shared.tracing import detached_context
from services.worker.calls.response_cache.response_store import Command, ResponseStore

log = get_logger(__name__)

# Time limit of an exchange, and pause after a failed one. In seconds.
TIMEOUT_SECONDS = 0.25
REST_SECONDS = 5.0
MAX_COMMANDS = 100
MAX_BYTES = 1024 * 1024


class Away(Enum):
    """Reply to a command that did not reach the store."""

    AWAY = "away"


AWAY = Away.AWAY


class _Waiting(NamedTuple):
    command: Command
    reply: asyncio.Future[bytes | Away | None]


class Exchange:
    """Sends commands to a store in order of arrival.

    One exchange is in flight at a time, and commands gather for the next. Commands from one turn of the loop
    go together. Nothing here raises or waits for long. A store that does not reply within 250 ms is not asked
    again for 5 s. During that time the reply to every command is AWAY. Each change is logged once.

    Args:
        store: Executes the commands.
        clock: Monotonic clock, in seconds.
        timeout_seconds: Time limit of an exchange.
    """

    def __init__(
        self,
        store: ResponseStore,
        clock: Callable[[], float] = time.monotonic,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._store = store
        self._timeout_seconds = timeout_seconds
        self._waiting: deque[_Waiting] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._degradation = Degradation(log, "response_cache", REST_SECONDS, clock=clock)

    async def ask(self, command: Command) -> bytes | Away | None:
        """Returns the store's reply to a command."""
        return await self._add(command)

    def send(self, command: Command) -> None:
        """Sends a command whose reply nobody needs. It is dropped while the store is away."""
        self._add(command)

    async def close(self) -> None:
        """Sends the waiting commands, if the store accepts them, and closes the store. Safe to repeat."""
        if self._sender is not None:
            await asyncio.wait([self._sender])
        await self._store.close()

    def _add(self, command: Command) -> asyncio.Future[bytes | Away | None]:
        reply: asyncio.Future[bytes | Away | None] = asyncio.get_running_loop().create_future()
        if self._degradation.is_resting:
            reply.set_result(AWAY)
            return reply
        self._waiting.append(_Waiting(command, reply))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all(), context=detached_context())
        return reply

    async def _send_all(self) -> None:
        while batch := self._next_batch():
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    replies = await self._store.run([waiting.command for waiting in batch])
            except Exception as error:  # any error: an item must never wait for a reply forever
                self._degradation.note_failure(error=type(error.__cause__ or error).__name__)
                _reply(batch, [AWAY] * len(batch))
                _reply(self._waiting, [AWAY] * len(self._waiting))
                self._waiting.clear()
                return
            self._degradation.note_success()
            _reply(batch, replies)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        byte_count = 0
        while self._waiting and len(batch) < MAX_COMMANDS and byte_count < MAX_BYTES:
            batch.append(self._waiting.popleft())
            byte_count += len(getattr(batch[-1].command, "value", b""))
        return batch


def _reply(batch: list[_Waiting] | deque[_Waiting], replies: list[bytes | None] | list[Away]) -> None:
    for waiting, reply in zip(batch, replies, strict=True):
        if not waiting.reply.done():  # otherwise the caller was cancelled
            waiting.reply.set_result(reply)
