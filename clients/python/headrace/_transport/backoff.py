"""Waits between the attempts of a call."""

import asyncio
import random
from time import monotonic

FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 2.0


class Backoff:
    """Waits that double from one attempt to the next, with jitter, up to a total time.

    Make a new one for each call and for each outage of a stream: its time starts when it is made.
    """

    def __init__(self) -> None:
        self._start = monotonic()
        self._wait = FIRST_WAIT_SECONDS

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return monotonic() - self._start

    async def wait(self, patience: float) -> bool:
        """Waits before the next attempt. Returns False at once if that attempt would start too late.

        Args:
            patience: Seconds from the start after which no attempt begins.
        """
        wait = self._wait * random.uniform(0.5, 1.0)
        if self.elapsed + wait >= patience:
            return False
        self._wait = min(self._wait * 2, LONGEST_WAIT_SECONDS)
        await asyncio.sleep(wait)
        return True
