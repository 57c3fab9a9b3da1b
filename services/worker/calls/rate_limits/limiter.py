"""Rate limiter of one model. Calls wait here while one task takes requests and tokens for all of them."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

from services.shared.metrics import timing
from services.shared.setting_types import ModelLimit
from services.shared.waiting_queue import WaitingQueue
from services.worker.calls.rate_limits.buckets import Returned, Taken
from services.worker.calls.rate_limits.gcra import CREDITED_SECONDS, USABLE_SECONDS
from services.worker.calls.rate_limits.shared_buckets import SharedBuckets
from services.worker.metrics import LIMIT_WAIT_SECONDS, model_label

# A worker also takes what it is likely to use within this time, in seconds.
PREFETCH_SECONDS = 0.25
# Random delay that spreads out workers with the same wait, in seconds.
_JITTER_SECONDS = 0.01
# Shortest and longest wait before the buckets are asked again, in seconds. A bucket holds about six times the
# shortest one.
_MIN_RETRY_SECONDS = 0.05
_MAX_RETRY_SECONDS = 1.0
# Unused requests and tokens go back within this time, in seconds.
_RETURN_SECONDS = 0.25
# Window of the recent calls that the next ones are estimated from, in seconds.
_RECENT_SECONDS = 1.0
_MAX_BATCH = 1000  # requests in one script call


class Reservation:
    """One request and its tokens, for one call.

    Args:
        limiter: Limiter that reserved them.
        token_count: Tokens reserved for the call.
        take_time: Time at which they were taken, by the loop's clock.
    """

    def __init__(self, limiter: "ModelLimiter", token_count: int, take_time: float) -> None:
        self._limiter = limiter
        self._token_count = token_count
        self._take_time = take_time

    @property
    def seconds_left(self) -> float:
        """Time within which the call may begin, in seconds. At 0 or less, give the reservation back."""
        return self._take_time + USABLE_SECONDS - asyncio.get_running_loop().time()

    def settle(self, token_count: int) -> None:
        """Puts back the tokens that the call did not use, or takes those that it used in excess."""
        self._limiter.give_back(0, self._token_count - token_count)

    def give_back(self) -> None:
        """Puts everything back, because no call was made."""
        age = USABLE_SECONDS - self.seconds_left
        self._limiter.give_back(int(age < CREDITED_SECONDS), self._token_count)


class ModelLimiter:
    """Requests and tokens of one model, for the calls of this worker.

    One script call is in flight at a time. Calls that arrive meanwhile share the next one. A script call
    takes a block: what the waiting calls need, and what this worker is likely to use within 250 ms. Whatever
    of the block is unused after 1 s goes back.

    Args:
        buckets: Source of requests and tokens.
        key: Key of the model's bucket.
        model: Model, for metrics.
        limit: Limit per minute, of all workers together.
        free_slots: Returns how many more calls could begin now. No more requests are taken for waiting calls.
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
        self._model = model
        self._queue: WaitingQueue[float] = WaitingQueue()  # granted with the time of taking
        self._block_count = self._block_tokens = 0
        self._block_time = 0.0
        self._returned_count = self._returned_tokens = 0
        self._recent: list[tuple[float, int]] = []  # time and tokens of each reservation
        self._retry_seconds = 0.0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def tokens_per_minute(self) -> int | None:
        """Tokens in a minute, of all workers together. None for no limit."""
        return self._limit.tokens_per_minute

    @property
    def waiting_count(self) -> int:
        """Number of waiting calls."""
        return len(self._queue)

    @property
    def is_idle(self) -> bool:
        """Whether no call waits and nothing remains to be put back."""
        return self._task is None or self._task.done()

    @property
    def wait_seconds(self) -> float:
        """Delay before it is worthwhile to start further items, in seconds. 0 means now.

        As many calls may wait as were granted within the last half second, so that no grant goes unused.
        """
        since = asyncio.get_running_loop().time() - 0.5
        recent_count = sum(time > since for time, _ in self._recent)
        if self.waiting_count <= max(1, recent_count):
            return 0.0
        return max(self._retry_seconds, _MIN_RETRY_SECONDS)

    async def reserve(self, token_count: int, rank: int) -> Reservation:
        """Waits for a request and its tokens. The lowest rank goes first, then the earliest call.

        Args:
            token_count: Tokens. Never more than those of a minute are reserved.
            rank: Rank of the call.
        """
        token_count = min(token_count, self._limit.tokens_per_minute or token_count)
        loop = asyncio.get_running_loop()
        self._forget_old(loop.time())
        with timing(LIMIT_WAIT_SECONDS.labels(model_label.known(self._model)).observe):
            take_time = self._take_from_block(token_count, loop.time())
            if take_time is None:
                self._run()
                take_time = await self._queue.wait(
                    rank, token_count, give_back=lambda: self.give_back(1, token_count)
                )
        self._recent.append((loop.time(), token_count))
        return Reservation(self, token_count, take_time)

    def give_back(self, request_count: int, token_count: int) -> None:
        """Puts back unused requests and tokens. A negative number of tokens is taken instead."""
        self._returned_count += request_count
        if self._limit.tokens_per_minute:
            self._returned_tokens += token_count
        if self._returned_count or self._returned_tokens:
            self._run()

    def slots_changed(self) -> None:
        """Notifies the limiter that calls may find a free slot now."""
        if len(self._queue):
            self._run()

    async def close(self) -> None:
        """Puts the rest of the block back. Safe to repeat."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._return_block(asyncio.get_running_loop().time())
        if self._returned_count or self._returned_tokens:
            await self._take([])

    def _run(self) -> None:
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._serve(), name="limiter")

    def _take_from_block(self, token_count: int, now: float) -> float | None:
        is_usable = self._block_count and now - self._block_time < USABLE_SECONDS
        has_tokens = not self._limit.tokens_per_minute or self._block_tokens >= token_count
        if len(self._queue) or not is_usable or not has_tokens:
            return None
        self._block_count -= 1
        self._block_tokens -= token_count if self._limit.tokens_per_minute else 0
        return self._block_time

    async def _serve(self) -> None:
        """Takes requests for waiting calls. Ends when no call waits and nothing remains to be put back."""
        while True:
            self._wake.clear()
            now = asyncio.get_running_loop().time()
            if now - self._block_time >= USABLE_SECONDS:
                self._return_block(now)
            is_wanted = self._queue.first is not None
            if is_wanted and (slots := self._free_slots()) > 0:
                await self._serve_waiting(slots)
            elif is_wanted or self._block_count or self._returned_count or self._returned_tokens:
                await self._rest()
            else:
                return

    async def _serve_waiting(self, slots: int) -> None:
        taken = await self._take_for(min(slots, _MAX_BATCH))
        await asyncio.sleep(0)  # lets the granted calls occupy their slots
        if taken.wait_seconds:
            wait = min(max(taken.wait_seconds, _MIN_RETRY_SECONDS), _MAX_RETRY_SECONDS)
            self._retry_seconds = wait + random.random() * _JITTER_SECONDS
            await asyncio.sleep(self._retry_seconds)  # not cut short by new calls: they must wait as well

    async def _rest(self) -> None:
        """Waits for a change. What is to be given back goes within a quarter of a second."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), _RETURN_SECONDS)
            return
        if (self._returned_count or self._returned_tokens) and not self._block_count:
            await self._take([])

    async def _take_for(self, slots: int) -> Taken:
        with self._queue.take_first(slots) as batch:
            is_everyone = len(batch) == len(self._queue)
            ahead, cost = self._prefetch(slots - len(batch)) if is_everyone else (0, 0)
            now = asyncio.get_running_loop().time()
            taken = await self._take([*(waiter.cost for waiter in batch), *[cost] * ahead])
            for waiter in batch[: taken.count]:
                if not self._queue.grant(waiter, now):  # cancelled meanwhile
                    self.give_back(1, waiter.cost)
        if taken.count > len(batch):
            self._return_block(now)
            self._block_count = taken.count - len(batch)
            self._block_tokens, self._block_time = self._block_count * cost, now
        return taken if self._queue.first is not None else Taken(taken.count, 0.0)

    def _prefetch(self, limit: int) -> tuple[int, int]:
        """Returns the number of requests to take in advance, and the tokens of each."""
        count = min(limit, int(len(self._recent) * PREFETCH_SECONDS))
        if count <= 0:
            return 0, 0
        return count, sum(tokens for _, tokens in self._recent) // len(self._recent) + 1

    async def _take(self, costs: list[int]) -> Taken:
        returned = Returned(self._returned_count, self._returned_tokens)
        self._returned_count = self._returned_tokens = 0
        return await self._buckets.take(self._key, self._limit, costs, returned)

    def _return_block(self, now: float) -> None:
        if self._block_count:
            if now - self._block_time < CREDITED_SECONDS:
                self._returned_count += self._block_count
            self._returned_tokens += self._block_tokens
        self._block_count = self._block_tokens = 0

    def _forget_old(self, now: float) -> None:
        if self._recent and self._recent[0][0] < now - _RECENT_SECONDS:
            self._recent = [entry for entry in self._recent if entry[0] >= now - _RECENT_SECONDS]
