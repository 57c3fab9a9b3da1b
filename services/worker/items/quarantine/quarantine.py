"""Runs quarantined items in one child process per worker, started when needed."""

import asyncio

from services.stubs.results.v1 import results_pb2
from services.stubs.worker.v1 import worker_pb2
from services.worker.calls.allowance import Allowance
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.quarantine.child_process import ChildProcess

# Time after which a child without work is ended, in seconds: it occupies memory.
IDLE_SECONDS = 10.0


class Quarantine:
    """Runs quarantined items; after a death the next item gets a new child process.

    Args:
        setup: Settings of each child.
    """

    def __init__(self, setup: worker_pb2.ChildSetup) -> None:
        self._setup = setup
        self._starting: asyncio.Task[ChildProcess] | None = None
        self._running_count = 0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._endings: set[asyncio.Task[None]] = set()

    async def run(
        self, spec: results_pb2.JobSpec, item: results_pb2.LeasedItem, allowance: Allowance | None = None
    ) -> ItemOutcome:
        """Makes one attempt of an item in the child process.

        Raises:
            ChildDiedError: The child died during the attempt. This item may be the cause, or another one in
                flight.
            ChildNotStartedError: No child could be started.
            asyncio.CancelledError: The attempt was cancelled.
        """
        self._running_count += 1
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        try:
            child = await self._child()
            return await child.run(spec, item, allowance)
        finally:
            self._running_count -= 1
            if not self._running_count:
                self._idle_timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_idle)

    async def close(self) -> None:
        """Ends the child process."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._end_idle()
        if self._endings:
            await asyncio.wait(self._endings)

    async def _child(self) -> ChildProcess:
        starting = self._starting
        is_over = (
            starting is not None
            and starting.done()
            and (starting.cancelled() or starting.exception() is not None or starting.result().is_dead)
        )
        if starting is None or is_over:
            starting = self._starting = asyncio.create_task(self._start())
        return await asyncio.shield(starting)

    async def _start(self) -> ChildProcess:
        child = ChildProcess(self._setup)
        await child.start()
        return child

    def _end_idle(self) -> None:
        starting, self._starting = self._starting, None
        if starting is not None:
            ending = asyncio.create_task(_end(starting))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)


async def _end(starting: asyncio.Task[ChildProcess]) -> None:
    await asyncio.wait([starting])
    if not starting.cancelled() and starting.exception() is None:
        await starting.result().close()
