"""Keeps account of a dependency that fails: when to ask it again, and one log line for each change."""

import time
from collections.abc import Callable

from prometheus_client import Gauge
from structlog.stdlib import BoundLogger


class Degradation:
    """State of a dependency that a service can do without for a while.

    Logs ``<what>_degraded`` at the first failure and ``<what>_restored`` at the next success.

    Args:
        log: Logger of the module that uses the dependency.
        what: Subject of the log events, such as ``limits``.
        rest_seconds: Pause after a failure. 0 for no pause.
        clock: Monotonic clock, in seconds.
        gauge: Set to 1 while degraded and to 0 otherwise. None for no gauge.

    Attributes:
        is_degraded: Whether the last use failed.
    """

    def __init__(
        self,
        log: BoundLogger,
        what: str,
        rest_seconds: float = 0.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        gauge: Gauge | None = None,
    ) -> None:
        self._log = log
        self._what = what
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._gauge = gauge
        self._rest_end = float("-inf")
        self.is_degraded = False

    @property
    def is_resting(self) -> bool:
        """Whether the pause after the last failure still lasts. The dependency should not be used."""
        return self._clock() < self._rest_end

    def note_failure(self, **fields: object) -> None:
        """Records a failed use and starts a pause.

        Args:
            fields: Details for the log line, if this failure changes the state.
        """
        self._rest_end = self._clock() + self._rest_seconds
        if not self.is_degraded:
            self._set(is_degraded=True)
            self._log.warning(f"{self._what}_degraded", **fields)

    def note_success(self) -> None:
        """Records a use that worked."""
        if self.is_degraded:
            self._set(is_degraded=False)
            self._log.info(f"{self._what}_restored")

    def _set(self, *, is_degraded: bool) -> None:
        self.is_degraded = is_degraded
        if self._gauge is not None:
            self._gauge.set(int(is_degraded))
