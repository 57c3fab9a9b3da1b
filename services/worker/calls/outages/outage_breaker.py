"""Circuit breaker in front of the provider, for each of its models."""

import asyncio
import time
from collections.abc import Callable, Hashable
from types import TracebackType

from headrace.kinds import RetryableError
from headrace.reasons import ErrorReason
from services.worker.calls.answered_jobs import Caller
from services.worker.calls.outages.memory_outages import MemoryOutages
from services.worker.calls.outages.outage import Outage, last_words, not_called, spared
from services.worker.calls.outages.outages import Outages
from services.worker.calls.outages.recent_calls import RecentCalls
from services.worker.calls.provider.faults import ProviderDownError

# Time for which an item that starts in order to probe keeps others from starting, and longest time until a
# model whose probe is in flight is looked at again. In seconds.
CLAIM_SECONDS = 1.0
POLL_SECONDS = 0.25
# Models to remember. Clients may name any number of them.
MAX_MODELS = 1_000
_NOBODY = Caller()


class OutageBreaker:
    """Opens when a model of the provider is down, for all workers, and closes once a probe is answered.

    CLOSED: calls begin. OPEN: no call begins. PROBING: one call of the fleet is in flight. Any answer to it
    closes the breaker. Another fault or a time-out does not.

    Args:
        outages: Outages that workers share. None for those of this worker alone.
        outage_seconds: Duration from which jobs of the model are paused.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        outages: Outages | None = None,
        outage_seconds: float = float("inf"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outages = outages or MemoryOutages(clock)
        self._outage_seconds = outage_seconds
        self._clock = clock
        self._recent: dict[str, RecentCalls] = {}
        self._claims: dict[str, float] = {}  # ends, by key; only of models in an outage
        self._notify_ended: Callable[[str], None] = lambda key: None

    def serve(self, notify_ended: Callable[[str], None]) -> None:
        """Sets the function that is called with the key of a model once its outage has ended."""
        self._notify_ended = notify_ended

    def wait_seconds(self, key: str) -> float:
        """Returns the time until an item of a model should start, in seconds. 0 for none."""
        outage, now = self._find(key), self._clock()
        if outage is None:
            return 0.0
        if now < outage.probe_end or now < self._claims.get(key, now):
            return POLL_SECONDS
        return max(0.0, outage.next_probe - now)

    def claim_probe(self, key: str) -> None:
        """Notes that an item of a model starts. In an outage it is the only one, and its call probes."""
        if self._find(key) is not None:
            self._claims[key] = self._clock() + CLAIM_SECONDS

    def outage(self, key: str) -> Outage | None:
        """Returns the outage of a model. None if there is none."""
        return self._find(key)

    def lasting_outage(self, key: str) -> Outage | None:
        """Returns the outage of a model if it has lasted for ``outage_seconds``."""
        outage = self._find(key)
        is_lasting = outage is not None and self._clock() - outage.begin >= self._outage_seconds
        return outage if is_lasting else None

    def check(self, key: str) -> None:
        """Checks that a call may begin, or may soon probe.

        Raises:
            SparedError: The model is in an outage, and no probe is due.
        """
        outage, now = self._find(key), self._clock()
        if outage is not None and now < max(outage.next_probe, outage.probe_end):
            raise not_called()

    async def begin(self, key: str, item: Hashable, caller: Caller = _NOBODY) -> "WatchedCall":
        """Returns the context in which one call is made.

        Args:
            key: Provider and model.
            item: Item that makes the call.
            caller: Its job.

        Raises:
            SparedError: The model is in an outage, and this call does not probe.
        """
        token = ""
        if self._find(key) is not None:
            token = await self._outages.take_probe(key) or ""
            if not token and self._find(key) is not None:
                raise not_called()
        if key not in self._recent:
            self._forget_idle()
        recent = self._recent.setdefault(key, RecentCalls(self._clock))
        return WatchedCall(self._outages, recent, key, item, caller=caller, token=token)

    def _find(self, key: str) -> Outage | None:
        """Returns the outage of a model, and notices that one has ended, here or on another worker."""
        outage = self._outages.find(key)
        if outage is not None:
            self._claims.setdefault(key, float("-inf"))
        elif self._claims.pop(key, None) is not None:
            if key in self._recent:
                self._recent[key].begin_row()
            self._notify_ended(key)
        return outage

    def _forget_idle(self) -> None:
        if len(self._recent) >= MAX_MODELS:
            self._recent = {key: recent for key, recent in self._recent.items() if not recent.is_idle}


class WatchedCall:
    """Context of one call, whose outcome opens or closes the breaker.

    A fault of the provider leaves it as a SparedError if it does not use up an attempt of the item.

    Args:
        outages: Outages that workers share.
        recent: Calls of the model on this worker.
        key: Provider and model.
        item: Item that makes the call.
        caller: Its job.
        token: Token of the probe. Empty if the call is none.
    """

    def __init__(
        self,
        outages: Outages,
        recent: RecentCalls,
        key: str,
        item: Hashable,
        *,
        caller: Caller,
        token: str,
    ) -> None:
        self._outages = outages
        self._recent = recent
        self._key = key
        self._item = item
        self._caller = caller
        self._token = token
        self._begin = 0.0

    def __enter__(self) -> None:
        """Begins the call."""
        self._begin = self._recent.begin(self._item)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the call.

        Raises:
            SparedError: The call failed, and does not use up an attempt.
        """
        self._recent.end(self._item)
        if isinstance(error, ProviderDownError):
            self._end_with_fault(error)
        elif isinstance(error, asyncio.CancelledError):
            if self._token:
                self._outages.drop_probe(self._key, self._token)
        elif isinstance(error, RetryableError) and error.reason == ErrorReason.PROVIDER_TIMEOUT:
            if self._token:  # another answer may come; a time-out says nothing
                self._outages.fail_probe(self._key, self._token, error.reason, error.message)
                raise spared(error, is_open=True) from None
        else:
            self._recent.add_answer(self._item, self._caller)
            if self._token:
                self._outages.end(self._key)
                self._recent.begin_row()

    def _end_with_fault(self, error: ProviderDownError) -> None:
        self._recent.add_fault(self._item, self._caller, self._begin)
        if self._token:
            self._outages.fail_probe(self._key, self._token, error.reason, last_words(error))
        elif self._recent.is_outage(is_reachable=error.is_reachable):
            self._outages.begin(self._key, error.reason, last_words(error))
        is_open = self._outages.find(self._key) is not None
        is_spared = (
            is_open or self._recent.is_before_row(self._begin) or self._recent.is_fault_of_others(self._item)
        )
        if is_spared:
            raise spared(error, is_open=is_open) from None
