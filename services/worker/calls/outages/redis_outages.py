"""Outages that all workers of a Redis share."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from redis.exceptions import RedisError

from services.shared.degradation import Degradation
from services.shared.logging import get_logger
from services.worker.calls.exchange_loop import PERIOD_SECONDS, ExchangeLoop
from services.worker.calls.outages.memory_outages import MemoryOutages
from services.worker.calls.outages.outage import PROBE_SECONDS, Outage
from services.worker.calls.outages.scripts import EXCHANGE, TAKE_PROBE
from services.worker.calls.redis_client import SCRIPT_TIMEOUT_SECONDS, open_redis

log = get_logger(__name__)

# Time limit of each exchange, and time until an unused key is not exchanged. In seconds.
_TIMEOUT_SECONDS = 1.0
_IDLE_SECONDS = 10.0


class _Change(NamedTuple):
    """A change of an outage that Redis does not know yet."""

    name: str
    outage_id: str
    token: str = ""


_NONE = _Change("none", "")


class RedisOutages:
    """Outages in Redis. A change is written at once, and other workers see it within 250 ms.

    Callers wait for Redis only to take a probe, for up to 250 ms. One task exchanges the keys in use every
    250 ms, and ends once no key has been used for 10 s. While Redis cannot be reached, this process relies on
    the outages that it knows and makes probes of its own. Each change is logged once.

    Args:
        url: ``redis://host:port/db``.
        clock: Monotonic clock, in seconds.
        rng: Random numbers from 0 to 1, for jitter.
    """

    def __init__(
        self,
        url: str,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._redis = open_redis(url, _TIMEOUT_SECONDS)
        self._exchange_script = self._redis.register_script(EXCHANGE)
        self._probe_script = self._redis.register_script(TAKE_PROBE)
        self._known = MemoryOutages(clock, rng)
        self._clock = clock
        self._changes: dict[str, _Change] = {}
        self._degradation = Degradation(log, "outages")
        self._loop = ExchangeLoop(
            self._exchange,
            self._degradation,
            _IDLE_SECONDS,
            is_busy=lambda: bool(self._changes),
            is_kept=lambda key: self._known.find(key) is not None,
            clock=clock,
        )

    def find(self, key: str) -> Outage | None:
        """Returns the outage of a key. None if this process knows of none."""
        self._loop.use(key)
        return self._known.find(key)

    def begin(self, key: str, reason: str, message: str) -> None:
        """Begins an outage, here at once and for the others soon."""
        if self._known.find(key) is None:
            self._known.begin(key, reason, message)
            self._change(key, "begin")

    async def take_probe(self, key: str) -> str | None:
        """Returns a token if the caller may probe now. See ``Outages``."""
        token, outage = self._known.take_own_probe(key), self._known.find(key)
        if token is None or outage is None or self._degradation.is_degraded or key in self._changes:
            return token
        try:
            async with asyncio.timeout(SCRIPT_TIMEOUT_SECONDS):
                taken = await self._probe_script(
                    keys=_keys(key), args=[outage.outage_id, token, round(PROBE_SECONDS * 1000)]
                )
        except (RedisError, OSError):
            return token  # better two probes than none
        except asyncio.CancelledError:
            self.drop_probe(key, token)
            raise
        if taken:
            return token
        self._known.drop_probe(key, token)
        outage.next_probe = max(outage.next_probe, self._clock() + PERIOD_SECONDS)  # ask again later
        return None

    def fail_probe(self, key: str, token: str, reason: str, message: str) -> None:
        """Ends a probe that failed, and schedules the next one for all workers."""
        self._known.fail_probe(key, token, reason, message)
        self._change(key, "fail", token)

    def drop_probe(self, key: str, token: str) -> None:
        """Ends a probe without an outcome. The next one may begin at once."""
        self._known.drop_probe(key, token)
        self._change(key, "drop", token)

    def end(self, key: str) -> None:
        """Ends an outage, here at once and for the others soon."""
        self._change(key, "end")
        self._known.end(key)

    async def close(self) -> None:
        """Ends the task and closes the connections. Safe to repeat."""
        await self._loop.close()
        await self._redis.aclose()

    def _change(self, key: str, name: str, token: str = "") -> None:
        outage, waiting = self._known.find(key), self._changes.get(key)
        if outage is None:
            return
        if waiting is None or waiting.name != "begin" or name == "end":  # a begin carries later changes
            self._changes[key] = _Change(name, outage.outage_id, token)
        self._loop.use(key)
        self._loop.wake()

    async def _exchange(self) -> None:
        for key in {*self._loop.keys, *self._changes}:
            change = self._changes.get(key, _NONE)
            reply = await self._exchange_script(keys=_keys(key), args=self._arguments(key, change))
            if self._changes.get(key, _NONE) == change:  # otherwise the reply is out of date
                self._changes.pop(key, None)
                self._adopt(key, [value.decode() for value in reply])

    def _arguments(self, key: str, change: _Change) -> Sequence[str | int]:
        outage, now = self._known.find(key), self._clock()
        if outage is None:
            return [change.name, change.outage_id, 0, 0, 0, "", "", change.token]
        return [
            change.name,
            change.outage_id,
            round((now - outage.begin) * 1000),
            round((outage.next_probe - now) * 1000),
            outage.probe_count,
            outage.reason,
            outage.message,
            change.token,
        ]

    def _adopt(self, key: str, reply: Sequence[str]) -> None:
        """Makes the outage that this process knows that of Redis."""
        is_open, outage_id, age, until_probe, count, reason, message, probe_rest = reply
        outage, now = self._known.find(key), self._clock()
        if is_open != "1":
            if outage is not None and outage_id:
                self._known.end(key)
            elif outage is not None:
                self._change(key, "begin")  # Redis has lost it
            return
        if outage is None:
            fresh = Outage(
                outage_id=outage_id,
                begin=now - int(age) / 1000,
                next_probe=now,
                reason=reason,
                message=message,
            )
            self._known.adopt(key, fresh)
            outage = fresh
        outage.outage_id, outage.begin = outage_id, now - int(age) / 1000
        outage.probe_count, outage.reason, outage.message = int(count), reason, message
        outage.next_probe = now + max(int(until_probe), int(probe_rest)) / 1000
        if not outage.probe_token:  # ours, which ends in this process
            outage.probe_end = now + max(0, int(probe_rest)) / 1000


def _keys(key: str) -> list[str]:
    return [f"headrace:outage:{{{key}}}", f"headrace:outage-probe:{{{key}}}"]
