"""Outages of a single process."""

import random
import time
import uuid
from collections.abc import Callable

from services.shared.logging import get_logger
from services.worker.calls.outages.outage import PROBE_SECONDS, Outage, probe_delay
from services.worker.metrics import PROVIDER_OUTAGES, model_label

log = get_logger(__name__)


class MemoryOutages:
    """Outages in the memory of this process. Their beginning and end are logged once each.

    Args:
        clock: Monotonic clock, in seconds.
        rng: Random numbers from 0 to 1, for jitter.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, rng: Callable[[], float] = random.random
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._outages: dict[str, Outage] = {}

    def find(self, key: str) -> Outage | None:
        """Returns the outage of a key. None if there is none."""
        return self._outages.get(key)

    def begin(self, key: str, reason: str, message: str) -> None:
        """Begins an outage, unless one is known."""
        now = self._clock()
        self.adopt(
            key,
            Outage(
                outage_id=uuid.uuid4().hex,
                begin=now,
                next_probe=now + probe_delay(0, self._rng),
                reason=reason,
                message=message,
            ),
        )

    def adopt(self, key: str, outage: Outage) -> None:
        """Adds an outage that began elsewhere, unless one is known."""
        if key in self._outages:
            return
        self._outages[key] = outage
        provider, _, model = key.partition("/")
        PROVIDER_OUTAGES.labels(model_label(model)).set(1)
        log.warning(
            "provider_outage_began",
            provider=provider,
            model=model,
            reason=outage.reason,
            message=outage.message,
        )

    async def take_probe(self, key: str) -> str | None:
        """Returns a token if the caller may probe now. See ``Outages``."""
        return self.take_own_probe(key)

    def take_own_probe(self, key: str) -> str | None:
        """Returns a token if the caller may probe now, as far as this process knows."""
        outage, now = self._outages.get(key), self._clock()
        if outage is None or now < outage.next_probe or now < outage.probe_end:
            return None
        outage.probe_token = uuid.uuid4().hex
        outage.probe_end = now + PROBE_SECONDS
        return outage.probe_token

    def fail_probe(self, key: str, token: str, reason: str, message: str) -> None:
        """Ends a probe that failed, and schedules the next one."""
        outage = self._outages.get(key)
        if outage is None or outage.probe_token != token:
            return
        self.drop_probe(key, token)
        outage.probe_count += 1
        outage.reason, outage.message = reason, message
        outage.next_probe = self._clock() + probe_delay(outage.probe_count, self._rng)

    def drop_probe(self, key: str, token: str) -> None:
        """Ends a probe without an outcome. The next one may begin at once."""
        outage = self._outages.get(key)
        if outage is not None and outage.probe_token == token:
            outage.probe_token, outage.probe_end = "", float("-inf")

    def end(self, key: str) -> None:
        """Ends an outage."""
        outage = self._outages.pop(key, None)
        if outage is None:
            return
        provider, _, model = key.partition("/")
        PROVIDER_OUTAGES.labels(model_label(model)).set(0)
        log.info(
            "provider_outage_ended",
            provider=provider,
            model=model,
            reason=outage.reason,
            probe_count=outage.probe_count,
            seconds=round(self._clock() - outage.begin, 1),
        )

    async def close(self) -> None:
        """Does nothing: there is no background work."""
