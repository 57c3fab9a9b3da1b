"""The one line to the store of answers: commands gather to exchanges, and it is left alone while it fails."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from services.shared.logging import get_logger
from services.shared.tracing import nobodys_context
from services.worker.calls.response_cache.response_store import Command, ResponseStore

log = get_logger(__name__)

# What an exchange may take, and how long a store that failed is not asked again, in seconds.
EXCHANGE_SECONDS = 0.25
REST_SECONDS = 5.0
MAX_COMMANDS = 100
MAX_BYTES = 1024 * 1024


class Away(Enum):
    """What a command is answered that the store did not answer."""

    AWAY = "away"


AWAY = Away.AWAY


class _Waiting(NamedTuple):
    command: Command
    reply: asyncio.Future[bytes | Away | None]


class Exchange:
    """Sends commands to a store in the order in which they came.

    One exchange is under way at a time, and the next gathers meanwhile: what is asked within one turn of the
    loop goes together. Nothing here raises or waits for long: a store that does not answer in 250 ms is not
    asked again for 5 s, and everything is answered AWAY meanwhile. The log says it once.

    Args:
        store: Carries the commands out.
        clock: Gives seconds that never go back.
        seconds: What an exchange may take.
    """

    def __init__(
        self,
        store: ResponseStore,
        clock: Callable[[], float] = time.monotonic,
        seconds: float = EXCHANGE_SECONDS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._waiting: deque[_Waiting] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._rests_until = 0.0
        self._failing = False

    async def ask(self, command: Command) -> bytes | Away | None:
        """Returns what the store answers to a command."""
        return await self._add(command)

    def tell(self, command: Command) -> None:
        """Sends a command whose answer nobody needs; it is dropped where the store is away."""
        self._add(command)

    async def close(self) -> None:
        """Sends what waits, as far as the store takes it, and closes the store. Safe to repeat."""
        if self._sender is not None:
            await asyncio.wait([self._sender])
        await self._store.close()

    def _add(self, command: Command) -> asyncio.Future[bytes | Away | None]:
        reply: asyncio.Future[bytes | Away | None] = asyncio.get_running_loop().create_future()
        if self._clock() < self._rests_until:
            reply.set_result(AWAY)
            return reply
        self._waiting.append(_Waiting(command, reply))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all(), context=nobodys_context())
        return reply

    async def _send_all(self) -> None:
        while batch := self._next_batch():
            try:
                async with asyncio.timeout(self._seconds):
                    answers = await self._store.run([waiting.command for waiting in batch])
            except Exception as error:  # whatever it is: an item must never wait for an answer for ever
                self._rest(error)
                _reply(batch, [AWAY] * len(batch))
                _reply(self._waiting, [AWAY] * len(self._waiting))
                self._waiting.clear()
                return
            self._note_answer()
            _reply(batch, answers)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        byte_count = 0
        while self._waiting and len(batch) < MAX_COMMANDS and byte_count < MAX_BYTES:
            batch.append(self._waiting.popleft())
            byte_count += len(getattr(batch[-1].command, "value", b""))
        return batch

    def _rest(self, error: Exception) -> None:
        self._rests_until = self._clock() + REST_SECONDS
        if not self._failing:
            self._failing = True
            log.warning("response_cache_degraded", error=type(error.__cause__ or error).__name__)

    def _note_answer(self) -> None:
        if self._failing:
            self._failing = False
            log.info("response_cache_restored")


def _reply(batch: list[_Waiting] | deque[_Waiting], answers: list[bytes | None] | list[Away]) -> None:
    for waiting, answer in zip(batch, answers, strict=True):
        if not waiting.reply.done():  # else nobody waits any more
            waiting.reply.set_result(answer)
