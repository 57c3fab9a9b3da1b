"""How long an item waits before its next attempt."""

from collections.abc import Callable

from services.worker.calls.provider.retry_after import MAX_WAIT_SECONDS

BASE_SECONDS = 0.5
CAP_SECONDS = 60.0


def retry_delay(attempt_count: int, retry_after: float | None, rng: Callable[[], float]) -> float:
    """Returns the seconds to wait: exponential with full jitter, and never less than the provider asked.

    What the provider asked for is waited first and the jitter comes on top, so that the items it turned
    away together do not come back together.

    Args:
        attempt_count: Attempts made so far, 1 or more.
        retry_after: Seconds the provider asked to wait, taken up to a day, or None.
        rng: Gives numbers from 0 to 1.
    """
    ceiling = min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(attempt_count - 1, 30))
    asked = min(max(0.0, retry_after or 0.0), MAX_WAIT_SECONDS)  # 0 where it is not a number
    return asked + rng() * ceiling
