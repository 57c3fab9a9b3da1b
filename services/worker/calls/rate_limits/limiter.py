"""The limiter of one model: calls wait here for requests and tokens; one task takes them for all."""

import asyncio
import heapq
import random
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from services.shared.metrics import timing
from services.shared.setting_types import ModelLimit
from services.worker.calls.rate_limits.buckets import Returned, Taken
from services.worker.calls.rate_limits.gcra import CREDITED_SECONDS, USABLE_SECONDS
from services.worker.calls.rate_limits.shared_buckets import SharedBuckets
from services.worker.metrics import LIMIT_WAIT_SECONDS, model_label

# Beside what is asked for, a worker takes what it is likely to use in so many seconds.
AHEAD_SECONDS = 0.25
# Workers that were told the same time come so far apart, in seconds.
_APART_SECONDS = 0.01
_REST_SECONDS = 0.25
# Who was told to wait asks no sooner than this, in seconds: a bucket holds about six times as much.
_PATIENCE_SECONDS = 0.05
_MAX_COUNT = 1000  # requests of one script call


class Reservation:
    """One request and its tokens, for one call.

    Args:
        limiter: Where it is from.
        token_count: Reserved for the call.
        take_time: By the loop's clock.
    """

    def __init__(self, limiter: "Limiter", token_count: int, take_time: float) -> None:
        self._limiter = limiter
        self._token_count = token_count
        self._take_time = take_time

    @property
    def seconds_left(self) -> float:
        """For how long a call may still begin on it; 0 or less: give it back."""
        return self._take_time + USABLE_SECONDS - asyncio.get_running_loop().time()

    def settle(self, token_count: int) -> None:
        """Gives back the tokens that the call did not use, or takes those that it used beyond."""
        self._limiter.give_back(0, self._token_count - token_count)

    def give_back(self) -> None:
        """Gives everything back: no call was made."""
        age = USABLE_SECONDS - self.seconds_left
        self._limiter.give_back(int(age < CREDITED_SECONDS), self._token_count)


class Limiter:
    """Requests and tokens of one model for the calls of this worker.

    At most one script call is under way; what comes meanwhile goes into the next. A block holds what waits
    and what this worker is likely to use within 250 ms; what of it is not used within 1 s goes back.

    Args:
        buckets: Where they are taken from.
        key: Of the buckets.
        model: For metrics.
        limit: A minute's, of all workers.
        free_slots: How many more calls could begin at once; no more requests are taken for those that wait.
    """

    def __init__(
        self,
        buckets: SharedBuckets,
        key: str,
        model: str,
        limit: ModelLimit,
        free_slots: Callable[[], int],
    ) -> None:
        self._buckets = buckets
        self._key = key
        self._limit = limit
        self._free_slots = free_slots
        self._waits = LIMIT_WAIT_SECONDS.labels(model_label(model))
        self._waiting: list[tuple[int, int, int, asyncio.Future[float]]] = []
        self._arrivals = count()
        self._block_count = self._block_tokens = 0
        self._block_time = 0.0
        self._returned_count = self._returned_tokens = 0
        self._recent: list[tuple[float, int]] = []  # when, and of how many tokens
        self._next_seconds = 0.0
        self._kick = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting_count(self) -> int:
        """Calls that wait."""
        return sum(not turn.done() for *_, turn in self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is to go back."""
        return self._task is None or self._task.done()

    @property
    def wait_seconds(self) -> float:
        """How soon it is worth while to start further items; 0: now.

        So many calls may wait as were let through within the last half second, so that none is missed.
        """
        since = asyncio.get_running_loop().time() - 0.5
        recent_count = sum(time > since for time, _ in self._recent)
        return max(self._next_seconds, 0.05) if self.waiting_count > max(1, recent_count) else 0.0

    async def reserve(self, token_count: int, rank: int) -> Reservation:
        """Waits for a request and its tokens; the lowest rank comes first, then who came first."""
        loop = asyncio.get_running_loop()
        self._forget_recent(loop.time())
        with timing(self._waits.observe):
            take_time = self._from_block(token_count, loop.time())
            if take_time is None:
                take_time = await self._wait(token_count, rank)
        self._recent.append((loop.time(), token_count))
        return Reservation(self, token_count, take_time)

    def give_back(self, request_count: int, token_count: int) -> None:
        """Gives back what was not used; tokens below 0 are taken."""
        self._returned_count += request_count
        if self._limit.tokens_per_minute:
            self._returned_tokens += token_count
        if self._returned_count or self._returned_tokens:
            self._run()

    def slots_changed(self) -> None:
        """Tells that calls may find a slot now."""
        if self._waiting:
            self._run()

    def _run(self) -> None:
        self._kick.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._serve(), name="limiter")

    async def close(self) -> None:
        """Gives back what is left. Safe to repeat."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._put_block_back(asyncio.get_running_loop().time())
        if self._returned_count or self._returned_tokens:
            await self._take([])

    def _from_block(self, token_count: int, now: float) -> float | None:
        is_usable = self._block_count and now - self._block_time < USABLE_SECONDS
        has_tokens = not self._limit.tokens_per_minute or self._block_tokens >= token_count
        if self._waiting or not is_usable or not has_tokens:
            return None
        self._block_count -= 1
        self._block_tokens -= token_count if self._limit.tokens_per_minute else 0
        return self._block_time

    async def _wait(self, token_count: int, rank: int) -> float:
        turn: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._arrivals), token_count, turn))
        self._run()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given, and cancelled at once
                self.give_back(1, token_count)
            raise

    async def _serve(self) -> None:
        """Takes for those that wait, and ends when there is nothing to take or to give back."""
        while True:
            self._kick.clear()
            now = asyncio.get_running_loop().time()
            if now - self._block_time >= USABLE_SECONDS:
                self._put_block_back(now)
            self._waiting = [entry for entry in self._waiting if not entry[3].done()]
            heapq.heapify(self._waiting)
            if self._waiting and (slots := self._free_slots()) > 0:
                taken = await self._take_for(min(slots, _MAX_COUNT))
                await asyncio.sleep(0)  # the calls take their slots
                if taken.wait_seconds:  # not woken by what comes meanwhile: it has to wait too
                    self._next_seconds = (
                        min(max(taken.wait_seconds, _PATIENCE_SECONDS), 1.0)
                        + random.random() * _APART_SECONDS
                    )
                    await asyncio.sleep(self._next_seconds)
            elif self._waiting or self._block_count or self._returned_count or self._returned_tokens:
                await self._rest()
            else:
                return

    async def _rest(self) -> None:
        """Waits until something changes; what is to go back goes within a quarter of a second."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._kick.wait(), _REST_SECONDS)
            return
        if (self._returned_count or self._returned_tokens) and not self._block_count:
            await self._take([])

    async def _take_for(self, slots: int) -> Taken:
        batch = heapq.nsmallest(slots, self._waiting)
        ahead, cost = self._ahead(slots - len(batch)) if len(batch) == len(self._waiting) else (0, 0)
        now = asyncio.get_running_loop().time()
        taken = await self._take([*(tokens for _, _, tokens, _ in batch), *[cost] * ahead])
        for _, _, tokens, turn in batch[: taken.count]:
            if turn.done():  # cancelled meanwhile
                self.give_back(1, tokens)
            else:
                turn.set_result(now)
        self._waiting = [entry for entry in self._waiting if not entry[3].done()]
        heapq.heapify(self._waiting)
        if taken.count > len(batch):
            self._put_block_back(now)
            self._block_count = taken.count - len(batch)
            self._block_tokens, self._block_time = self._block_count * cost, now
        return taken if self._waiting else Taken(taken.count, 0.0)

    def _ahead(self, most: int) -> tuple[int, int]:
        """Returns how many requests to take ahead, and the tokens of each."""
        wanted = min(most, int(len(self._recent) * AHEAD_SECONDS))
        if wanted <= 0:
            return 0, 0
        return wanted, sum(tokens for _, tokens in self._recent) // len(self._recent) + 1

    async def _take(self, costs: list[int]) -> Taken:
        returned = Returned(self._returned_count, self._returned_tokens)
        self._returned_count = self._returned_tokens = 0
        return await self._buckets.take(self._key, self._limit, costs, returned)

    def _put_block_back(self, now: float) -> None:
        if self._block_count:
            if now - self._block_time < CREDITED_SECONDS:
                self._returned_count += self._block_count
            self._returned_tokens += self._block_tokens
        self._block_count = self._block_tokens = 0

    def _forget_recent(self, now: float) -> None:
        if self._recent and self._recent[0][0] < now - 1.0:
            self._recent = [entry for entry in self._recent if entry[0] >= now - 1.0]
