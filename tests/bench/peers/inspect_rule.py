"""Inspect AI's rule for adaptive connections, as its documentation and source describe it in 2026.

The limit doubles per round until the provider rejects a call for the first time. From then on it grows by 5 %
per round. A round is made of that many answers in a row as the limit allows calls, without a rejection
between. A rejection cuts the limit to 80 %, unless the last cut was less than 15 s ago, or less than the
Retry-After of the rejection that caused it. Answers during that time do not count. From ten on, limits are
multiples of five.

https://inspect.aisi.org.uk/models-concurrency.html
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

START_LIMIT = 20
MIN_LIMIT = 4
_CUT = 0.8
_GROWTH = 0.05
_QUIET_SECONDS = 15.0
_LEAST_ROUND = 4
_STEP, _STEP_FROM = 5, 10


class InspectRule:
    """The limit of calls in flight.

    Args:
        ceiling: Highest limit.
        clock: Monotonic clock, in seconds.

    Attributes:
        limit: Calls that may be in flight.
    """

    def __init__(self, ceiling: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._ceiling = ceiling
        self._clock = clock
        self.limit = min(START_LIMIT, ceiling)
        self._answered_count = 0
        self._was_rejected = False
        self._quiet_until = 0.0

    def note_answer(self) -> None:
        """Counts an item that was answered by its first call. Later answers are neutral."""
        if self._clock() < self._quiet_until:
            return
        self._answered_count += 1
        if self._answered_count >= max(self.limit, _LEAST_ROUND):
            self._answered_count = 0
            self.limit = min(self._grown(), self._ceiling)

    def note_rejection(self, retry_after: float | None = None) -> None:
        """Starts the round anew, and cuts the limit if the last cut is old enough."""
        self._answered_count = 0
        self._was_rejected = True
        now = self._clock()
        if now < self._quiet_until:
            return
        cut = int(self.limit * _CUT)
        if cut >= _STEP_FROM:
            cut -= cut % _STEP
        self.limit = max(cut, min(MIN_LIMIT, self._ceiling))
        self._quiet_until = now + max(_QUIET_SECONDS, retry_after or 0.0)

    def _grown(self) -> int:
        if not self._was_rejected:
            return self.limit * 2
        grown = self.limit + max(1, round(self.limit * _GROWTH))
        return grown if grown < _STEP_FROM else -(-grown // _STEP) * _STEP


class AdaptiveSlots:
    """A semaphore whose size is the limit of a rule: ``async with slots:``.

    Args:
        rule: The rule. Calls to it may change the limit at any time.
    """

    def __init__(self, rule: InspectRule) -> None:
        self._rule = rule
        self._in_use_count = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if self._waiting or self._in_use_count >= self._rule.limit:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn  # its slot was taken for it
        else:
            self._in_use_count += 1

    async def __aexit__(self, *_: object) -> None:
        self._in_use_count -= 1
        while self._waiting and self._in_use_count < self._rule.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._in_use_count += 1
                turn.set_result(None)
