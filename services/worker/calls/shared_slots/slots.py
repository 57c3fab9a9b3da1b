"""Slots of one tenant or model on this worker: its part of those that the whole fleet shares."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from prometheus_client import Gauge

from services.shared.waiting_queue import WaitingQueue
from services.worker.calls.shared_slots.pools import EXPIRY_SECONDS
from services.worker.calls.shared_slots.shared_pools import SharedPools

# Time until the pool is asked again, in seconds. The first is for a worker that got all it wanted and wants
# more. The second is for a worker that got less, or has more than its share. The third is for all others, so
# that no grant expires and others get their share.
_RAISE_SECONDS = 0.02
_RETRY_SECONDS = 0.25
_RENEWAL_SECONDS = 1.0
# A grant ends for this worker slightly before it does for the pool. In seconds.
_MARGIN_SECONDS = 0.5


@dataclass(frozen=True)
class SlotPool:
    """The pool of a tenant or a model.

    Attributes:
        key: Opaque key of the pool.
        limit: Slots of the whole fleet.
        gauge: Shows the slots that this worker may use. None for no metric.
    """

    key: str
    limit: int
    gauge: Gauge | None = None


@dataclass(frozen=True)
class SlotHolder:
    """This process, as one of those that share a pool.

    Attributes:
        name: Unique name.
        limit: Maximum calls in flight in this process.
    """

    name: str
    limit: int


class SharedSlots:
    """Slots for the calls of one tenant or model. One task asks for them in blocks, so that calls only count.

    Args:
        pools: Source of slots.
        pool: The pool of slots.
        holder: This process.
        demand: Returns the number of items on this worker that want to make such calls, including those at
            work.
        changed: Called when more items may start.
    """

    def __init__(
        self,
        pools: SharedPools,
        pool: SlotPool,
        holder: SlotHolder,
        *,
        demand: Callable[[], int],
        changed: Callable[[], None],
    ) -> None:
        self._pools = pools
        self._pool = pool
        self._holder = holder
        self._demand = demand
        self._changed = changed
        self._granted_count = self._target = self._used_count = self._peak = 0
        self._grant_end = self._ask_time = float("-inf")
        self._was_refused = False
        self._queue: WaitingQueue[None] = WaitingQueue()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting_count(self) -> int:
        """Number of calls that wait for a slot."""
        return len(self._queue)

    @property
    def is_idle(self) -> bool:
        """Whether no slot is granted and no call waits."""
        return self._task is None or self._task.done()

    @property
    def count(self) -> int:
        """Number of slots that this worker may use now."""
        return self._granted_count if asyncio.get_running_loop().time() < self._grant_end else 0

    def may_start(self, at_work_count: int) -> bool:
        """Returns whether one more item may start. If not, asks for more slots.

        Args:
            at_work_count: Number of items at work, in a call or not.
        """
        busy_count = max(at_work_count, self._used_count + self.waiting_count)
        self._note_demand(busy_count + 1)
        if busy_count < self.count:
            return True
        self._was_refused = True
        return False

    def parked_count(self, demand: int, at_work_count: int) -> int:
        """Returns the number of items that must wait for others to end. 0 if there are enough slots.

        Args:
            demand: Number of items that want to make calls, including those at work.
            at_work_count: Number of items at work.
        """
        if self.count >= min(demand, self._holder.limit):
            return 0
        return max(0, demand - max(at_work_count, self.count))

    @asynccontextmanager
    async def take(self, rank: int) -> AsyncIterator[bool]:
        """Holds a slot for the block, and yields whether the call waited for it.

        Args:
            rank: The lowest rank goes first.
        """
        self._note_demand(self._used_count + self.waiting_count + 1)
        waits = self._used_count >= self.count or self.waiting_count > 0
        if waits:
            await self._queue.wait(rank, give_back=self._release)
        else:
            self._used_count += 1
        try:
            yield waits
        finally:
            self._release()

    async def close(self) -> None:
        """Releases the granted slots. Safe to repeat."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._granted_count:
            await self._ask(self._used_count)

    def _show(self, count: int) -> None:
        if self._pool.gauge is not None:
            self._pool.gauge.set(count)

    def _release(self) -> None:
        self._used_count -= 1
        if self._granted_count > self._target:  # more than its share: the slot is for others
            self._granted_count = max(self._target, self._used_count)
            self._wake.set()
        self._grant_slots()

    def _grant_slots(self) -> None:
        while self._used_count < self.count and (waiter := self._queue.first) is not None:
            self._used_count += 1
            self._queue.grant(waiter, None)
        if self._was_refused and self._used_count < self.count:
            self._was_refused = False
            self._changed()

    def _note_demand(self, busy_count: int) -> None:
        """Records the demand, and has the pool asked if there are too few slots for it."""
        self._peak = max(self._peak, busy_count)
        if min(busy_count, self._holder.limit) > self.count or self.is_idle:
            self._wake.set()
        if self.is_idle:
            self._task = asyncio.get_running_loop().create_task(self._serve(), name="shared_slots")

    def _wanted_count(self) -> int:
        """Returns the slots that this worker could use, now or at its peak since it last asked."""
        busy_count = self._used_count + self.waiting_count
        wanted = max(self._peak, busy_count, self._demand())
        self._peak = busy_count
        return max(self._used_count, min(wanted, self._holder.limit))

    async def _serve(self) -> None:
        """Asks the pool while any slot is granted or wanted. Then leaves the pool and ends."""
        while True:
            self._wake.clear()
            wanted = self._wanted_count()
            await self._ask(wanted)
            if not wanted and not self._granted_count and self._queue.first is None:
                self._show(0)
                if not self._wake.is_set():
                    return
            await self._rest(is_short=self.count < wanted)

    async def _rest(self, *, is_short: bool) -> None:
        loop = asyncio.get_running_loop()
        is_short = is_short or self._granted_count > self._target
        soonest = self._ask_time + (_RETRY_SECONDS if is_short else _RAISE_SECONDS)
        latest = soonest if is_short else self._ask_time + _RENEWAL_SECONDS
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), max(0.0, latest - loop.time()))
        await asyncio.sleep(max(0.0, soonest - loop.time()))

    async def _ask(self, wanted: int) -> None:
        """Asks for slots. Until the reply, this worker uses no more slots than it reports."""
        self._ask_time = send_time = asyncio.get_running_loop().time()
        self._granted_count = max(self._used_count, min(self.count, wanted))
        granted = await self._pools.ask(
            self._pool.key,
            self._holder.name,
            self._pool.limit,
            used=self._granted_count,
            wanted=wanted,
        )
        if granted is None:
            return
        self._grant_end = send_time + EXPIRY_SECONDS - _MARGIN_SECONDS
        self._target = granted.target
        self._granted_count = granted.count
        if self._granted_count > self._target:
            self._granted_count = max(self._target, self._used_count)
        self._show(self._granted_count)
        self._grant_slots()
