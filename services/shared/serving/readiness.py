"""Readiness of a service: it is ready while everything that it needs answers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from services.shared.background_task import BackgroundTask
from services.shared.logging import get_logger

log = get_logger(__name__)

# A need that has not answered for this time is lost, in seconds.
LOST_SECONDS = 10.0
# Interval of the log lines that say why a service is not ready, in seconds.
REMINDER_SECONDS = 10.0
# Time for a service that has just started to reach its needs before the first of these lines, in seconds.
FIRST_REMINDER_SECONDS = 2.0
_CHECK_SECONDS = 0.25


def address_of(url: str) -> str:
    """Returns the host, the port and the path of a URL, without its user, password and options."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] + parts.path


class Need:
    """Something that a service cannot work without, such as its database.

    Its user notes each answer and each failure, on any thread.

    Args:
        name: Name in the log, such as ``database``.
        address: Address in the log, without secrets.
        parts: Parts that all must answer, such as the consumers of several queues.
        lasting: Whether one answer is enough for ever.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        name: str,
        address: str,
        *,
        parts: Sequence[str] = ("",),
        lasting: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.address = address
        self._errors: dict[str, str] = {}
        self._lasting = lasting
        self._clock = clock
        self._answer_times = dict.fromkeys(parts, float("-inf"))

    @property
    def is_met(self) -> bool:
        """Whether all parts have answered and none has been silent for 10 s since."""
        oldest = min(self._answer_times.values())
        if self._lasting:
            return oldest > float("-inf")
        return self._clock() - oldest < LOST_SECONDS

    @property
    def error(self) -> str:
        """Last failure of a part that has not answered since. Empty if there is none."""
        return next(iter(self._errors.values()), "")

    def note_answer(self, part: str = "") -> None:
        """Notes that a part works."""
        self._answer_times[part] = self._clock()
        self._errors.pop(part, None)

    def note_failure(self, error: str, part: str = "") -> None:
        """Notes why a part does not work."""
        self._errors[part] = error

    def excuse(self, seconds: float) -> None:
        """Does not count a time in which this process was frozen as silence."""
        for part in self._answer_times:
            self._answer_times[part] += seconds


class Readiness:
    """Reports whether a service is ready, and logs every 10 s why it is not.

    Args:
        needs: Needs of the service. The first one that is not met is logged.
        report: Reports whether the service is ready. Called at each change.
        clock: Monotonic clock, in seconds.

    Attributes:
        is_ready: Whether all needs were met at the last check.
    """

    def __init__(
        self,
        needs: Sequence[Need],
        report: Callable[[bool], Awaitable[None]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._needs = needs
        self._report = report
        self._clock = clock
        self._start_time = self._check_time = clock()
        self._reminder_time = self._start_time + FIRST_REMINDER_SECONDS
        self._task = BackgroundTask(self._run, "readiness")
        self.is_ready = False

    def start(self) -> None:
        """Starts to check."""
        self._task.start()

    async def stop(self) -> None:
        """Stops checking. The last report stays."""
        await self._task.stop()

    async def check(self) -> None:
        """Checks the needs once. Reports and logs a change."""
        self._excuse_freeze()
        missing = next((need for need in self._needs if not need.is_met), None)
        if missing is None and not self.is_ready:
            self.is_ready = True
            await self._report(True)
            log.info("service_ready")
        elif missing is not None and self.is_ready:
            self.is_ready = False
            self._reminder_time = self._clock()
            await self._report(False)
        if missing is not None and self._clock() >= self._reminder_time:
            self._reminder_time += REMINDER_SECONDS
            log.warning("service_not_ready", need=missing.name, address=missing.address, error=missing.error)

    def _excuse_freeze(self) -> None:
        late_seconds = self._clock() - self._check_time - _CHECK_SECONDS
        if late_seconds > 1.0:
            for need in self._needs:
                need.excuse(late_seconds)
        self._check_time = self._clock()

    async def _run(self) -> None:
        while True:
            await self.check()
            await asyncio.sleep(_CHECK_SECONDS)
