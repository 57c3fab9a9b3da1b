"""Decides whether a failed item is attempted again, and when."""

import random
from collections.abc import Callable

from headrace.kinds import RetryableError
from headrace.reasons import ErrorReason
from services.stubs.results.v1 import results_pb2
from services.worker.calls.outages import SparedError
from services.worker.calls.provider.retry_after import MAX_WAIT_SECONDS

BASE_SECONDS = 0.5
CAP_SECONDS = 60.0
# Turned-away attempts after which an item fails; with the backoff this takes over an hour.
MAX_TURNED_AWAY_ATTEMPTS = 150
# Maximum backoff after an attempt that does not count because of the provider's faults, and number of such
# attempts, without those in outages, after which they count.
SPARED_CAP_SECONDS = 5.0
MAX_SPARED_ATTEMPTS = 150
TURNED_AWAY = frozenset({ErrorReason.RATE_LIMITED, ErrorReason.WORKER_CUT_OFF})


class Retries:
    """Decides about the next attempt of items.

    An attempt that is turned away, by a rate limit or because the store cannot be reached, does not count
    towards the kind's max_attempts. Those made on another worker are known only from the item's last failed
    attempts. An attempt that the provider fails while it is down leaves attempt_count as it is.

    Args:
        rng: Random numbers from 0 to 1, for jitter.
    """

    def __init__(self, rng: Callable[[], float] = random.random) -> None:
        self._rng = rng
        self._turned_away: dict[str, dict[int, int]] = {}
        self._spared: dict[str, dict[int, int]] = {}

    def spared_delay(self, job_id: str, item_index: int, error: SparedError) -> float | None:
        """Returns the seconds until the next attempt after one that does not count; None: it does count.

        It counts once other items' faults have spared the item 150 attempts, outages aside.

        Args:
            job_id: Job of the item.
            item_index: The item.
            error: Error of the failed attempt.
        """
        counts = self._spared.setdefault(job_id, {})
        count = counts.get(item_index, 0)
        if not error.is_open and count >= MAX_SPARED_ATTEMPTS:
            return None
        if not error.is_open:
            counts[item_index] = count + 1
        return retry_delay(count + 1, error.retry_after, self._rng, SPARED_CAP_SECONDS)

    def delay(
        self, job_id: str, item: results_pb2.LeasedItem, error: RetryableError, max_attempts: int
    ) -> float | None:
        """Returns the seconds until the next attempt; None: the failed attempt was the last one.

        Args:
            job_id: Job of the item.
            item: The item, before the failed attempt.
            error: Error of the failed attempt.
            max_attempts: Maximum attempts that count.
        """
        attempt_count = item.attempt_count + 1
        counts = self._turned_away.setdefault(job_id, {})
        reported_count = sum(failed.error.reason in TURNED_AWAY for failed in item.failed_attempts)
        turned_away_count = max(reported_count, counts.get(item.item_index, 0))
        if error.reason in TURNED_AWAY:
            counts[item.item_index] = turned_away_count + 1
            is_last = attempt_count >= MAX_TURNED_AWAY_ATTEMPTS
        else:
            is_last = attempt_count - turned_away_count >= max_attempts
        return None if is_last else retry_delay(attempt_count, error.retry_after, self._rng)

    def forget_item(self, job_id: str, item_index: int) -> None:
        """Forgets a finished item."""
        self._turned_away.get(job_id, {}).pop(item_index, None)
        self._spared.get(job_id, {}).pop(item_index, None)

    def forget_job(self, job_id: str) -> None:
        """Forgets all items of a job."""
        self._turned_away.pop(job_id, None)
        self._spared.pop(job_id, None)


def retry_delay(
    attempt_count: int,
    retry_after: float | None,
    rng: Callable[[], float],
    cap_seconds: float = CAP_SECONDS,
) -> float:
    """Returns the seconds to wait: exponential with full jitter, and never less than the provider asked.

    The jitter is added to the wait that the provider asked for, so that items it turned away together do not
    come back together.

    Args:
        attempt_count: Attempts made so far, 1 or more.
        retry_after: Seconds the provider asked to wait, capped at a day, or None.
        rng: Random numbers from 0 to 1.
        cap_seconds: Maximum of the backoff, without the wait that the provider asked for.
    """
    ceiling = min(cap_seconds, BASE_SECONDS * 2.0 ** min(attempt_count - 1, 30))
    asked = min(max(0.0, retry_after or 0.0), MAX_WAIT_SECONDS)  # 0 if it is not a number
    return asked + rng() * ceiling
