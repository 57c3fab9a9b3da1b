"""Finds transactions that hold back the changes that watchers of many jobs are told."""

from collections.abc import Callable
from time import monotonic

from services.results.metrics import CHANGE_HORIZON_AGE
from services.shared.logging import get_logger

log = get_logger(__name__)

# Time without progress after which it is logged, in seconds.
LATE_SECONDS = 5.0


class HorizonCheck:
    """Watches the horizon: the number below which every transaction of the PostgreSQL cluster has ended.

    A transaction that has written and stays open keeps it from growing, in whichever database of the cluster
    it runs. Changes after it are told late, and none is lost.

    Args:
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._horizon = 0
        self._held_since: float | None = None
        self._is_logged = False

    def note(self, horizon: int, next_xid: int) -> None:
        """Notes the present horizon. Logs it once per stop if it does not grow for over 5 seconds.

        Args:
            horizon: Number of the oldest transaction that is open, or of the next one.
            next_xid: Number of the next transaction.
        """
        now = self._clock()
        if horizon >= next_xid:
            self._held_since = None
        elif horizon > self._horizon or self._held_since is None:
            self._held_since, self._is_logged = now, False
        self._horizon = max(self._horizon, horizon)
        held_seconds = 0.0 if self._held_since is None else now - self._held_since
        CHANGE_HORIZON_AGE.set(held_seconds if held_seconds > LATE_SECONDS else 0.0)
        if held_seconds > LATE_SECONDS and not self._is_logged:
            self._is_logged = True
            log.warning(
                "changes_held_back",
                seconds=held_seconds,
                oldest_xid=horizon,
                remedy="end the transaction with this backend_xid in pg_stat_activity or pg_prepared_xacts",
            )
