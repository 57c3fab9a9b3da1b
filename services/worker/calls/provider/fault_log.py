"""Logs why calls to a provider fail, once a minute and cause."""

import time
from collections.abc import Callable
from typing import Any

from services.shared.logging import get_logger

log = get_logger(__name__)

_PAUSE_SECONDS = 60.0
_MAX_CAUSES = 1_000  # a provider may put anything into its codes


class FaultLog:
    """Logs failed calls of a provider as ``provider_fault``, each cause once a minute.

    Args:
        provider_name: Name of the provider.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, provider_name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._provider_name = provider_name
        self._clock = clock
        self._log_times: dict[tuple[Any, ...], float] = {}

    def note(
        self,
        reason: str,
        *,
        status: int | None = None,
        kind: str = "",
        code: str = "",
        detail: str | None = None,
        cause: str = "",
    ) -> None:
        """Logs a fault, unless one of its cause was logged within the last minute.

        Args:
            reason: Reason of the error.
            status: HTTP status. None if there was no response.
            kind: The provider's type of the error, without secrets.
            code: The provider's code of the error, without secrets.
            detail: The provider's own words, without secrets and the item's text.
            cause: Further part of the cause, which is not logged.
        """
        now, name = self._clock(), (reason, status, kind, code, cause)
        if now - self._log_times.get(name, float("-inf")) < _PAUSE_SECONDS:
            return
        if len(self._log_times) >= _MAX_CAUSES:
            self._log_times.clear()
        self._log_times[name] = now
        log.warning(
            "provider_fault",
            provider=self._provider_name,
            reason=reason,
            status=status,
            type=kind,
            code=code,
            detail=detail,
        )
