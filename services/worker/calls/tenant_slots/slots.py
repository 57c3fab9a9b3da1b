"""The slots that a tenant's calls have on this worker: its part of those that the whole fleet shares."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count

from services.worker.calls.tenant_slots.pools import EXPIRY_SECONDS
from services.worker.calls.tenant_slots.shared_pools import SharedPools
from services.worker.metrics import TENANT_SLOTS, tenant_label

# How soon the pool is asked again, in seconds: by who got all it wanted and wants more, by who did not get
# it or has more than its share, and by all others, so that nothing expires and others get their share.
_RISE_SECONDS = 0.02
_PATIENCE_SECONDS = 0.25
_RENEWAL_SECONDS = 1.0
# A grant is over for this worker a little before it is for the pool, in seconds.
_MARGIN_SECONDS = 0.5


class TenantSlots:
    """Places for the calls of one tenant. They are asked for in blocks, by one task; calls only count.

    Args:
        pools: Where they are from.
        key: Of the pool.
        holder: Names this process.
        tenant: For metrics.
        limit: Of the whole fleet.
        most: Calls that this process could make at once.
        demand: Gives how many items the worker holds that want to make calls, those at work included.
        changed: Called when more may start.
    """

    def __init__(
        self,
        pools: SharedPools,
        key: str,
        *,
        holder: str,
        tenant: str,
        limit: int,
        most: int,
        demand: Callable[[], int],
        changed: Callable[[], None],
    ) -> None:
        self._pools = pools
        self._key = key
        self._holder = holder
        self._limit = limit
        self._most = most
        self._demand = demand
        self._changed = changed
        self._gauge = TENANT_SLOTS.labels(tenant_label(tenant))
        self._held = self._target = self._used = self._peak = 0
        self._until = self._ask_time = float("-inf")
        self._was_refused = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = count()
        self._kick = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting_count(self) -> int:
        """Calls that wait for a slot."""
        return sum(not turn.done() for *_, turn in self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is held and nothing waits."""
        return self._task is None or self._task.done()

    @property
    def count(self) -> int:
        """Places that it may use now."""
        return self._held if asyncio.get_running_loop().time() < self._until else 0

    def may_start(self, at_work_count: int) -> bool:
        """Returns whether one more item may start; where not, more slots are asked for.

        Args:
            at_work_count: Items at work, whether they are in a call or not.
        """
        busy_count = max(at_work_count, self._used + self.waiting_count)
        self._note(busy_count + 1)
        if busy_count < self.count:
            return True
        self._was_refused = True
        return False

    def parked_count(self, demand: int, at_work_count: int) -> int:
        """Returns how many of so many items have to wait for others to end; 0 where there are slots enough.

        Args:
            demand: Items that want to make calls, those at work included.
            at_work_count: Those at work.
        """
        if self.count >= min(demand, self._most):
            return 0
        return max(0, demand - max(at_work_count, self.count))

    @asynccontextmanager
    async def take(self, rank: int) -> AsyncIterator[bool]:
        """Holds a slot; gives whether it had to be waited for. The lowest rank comes first."""
        self._note(self._used + self.waiting_count + 1)
        waits = self._used >= self.count or self.waiting_count > 0
        if waits:
            await self._wait(rank)
        else:
            self._used += 1
        try:
            yield waits
        finally:
            self._release()

    async def close(self) -> None:
        """Gives the slots back. Safe to repeat."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._held:
            await self._ask(self._used)

    async def _wait(self, rank: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # got its slot and was cancelled at once
                self._release()
            raise

    def _release(self) -> None:
        self._used -= 1
        if self._held > self._target:  # more than its share: the slot is for others
            self._held = max(self._target, self._used)
            self._kick.set()
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._used < self.count:
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._used += 1
                turn.set_result(None)
        if self._was_refused and self._used < self.count:
            self._was_refused = False
            self._changed()

    def _note(self, busy_count: int) -> None:
        """Takes note of what is wanted, and has it asked for where it is more than there is."""
        self._peak = max(self._peak, busy_count)
        if min(busy_count, self._most) > self.count or self.is_idle:
            self._kick.set()
        if self.is_idle:
            self._task = asyncio.get_running_loop().create_task(self._serve(), name="tenant_slots")

    def _wanted(self) -> int:
        """Returns what this worker could use, now or at its busiest since it asked last."""
        busy_count = self._used + self.waiting_count
        wanted = max(self._peak, busy_count, self._demand())
        self._peak = busy_count
        return max(self._used, min(wanted, self._most))

    async def _serve(self) -> None:
        """Asks as long as anything is held or wanted, then lets go and ends."""
        while True:
            self._kick.clear()
            wanted = self._wanted()
            await self._ask(wanted)
            if not wanted and not self._held and not self._waiting:
                self._gauge.set(0)
                if not self._kick.is_set():
                    return
            await self._rest(is_short=self.count < wanted)

    async def _rest(self, *, is_short: bool) -> None:
        loop = asyncio.get_running_loop()
        is_short = is_short or self._held > self._target
        soonest = self._ask_time + (_PATIENCE_SECONDS if is_short else _RISE_SECONDS)
        latest = soonest if is_short else self._ask_time + _RENEWAL_SECONDS
        with suppress(TimeoutError):
            await asyncio.wait_for(self._kick.wait(), max(0.0, latest - loop.time()))
        await asyncio.sleep(max(0.0, soonest - loop.time()))

    async def _ask(self, wanted: int) -> None:
        """Asks for slots. Meanwhile this worker uses no more than it says that it has."""
        loop = asyncio.get_running_loop()
        self._ask_time = send_time = loop.time()
        self._held = max(self._used, min(self.count, wanted))
        granted = await self._pools.ask(self._key, self._holder, self._limit, self._held, wanted)
        if granted is None:
            return
        self._until = send_time + EXPIRY_SECONDS - _MARGIN_SECONDS
        self._target = granted.target
        self._held = granted.count
        if self._held > self._target:
            self._held = max(self._target, self._used)
        self._gauge.set(self._held)
        self._hand_out()
