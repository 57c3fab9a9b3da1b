"""Arithmetic of the generic cell rate algorithm (GCRA): a limit per minute as periods and bursts."""

from dataclasses import dataclass
from math import ceil

from services.shared.setting_types import ModelLimit

# A request that was taken may be used for this long. Then it goes back. In seconds.
USABLE_SECONDS = 1.0
# A request that goes back later than this after it was taken is not credited. In seconds.
CREDITED_SECONDS = 1.2
# The calls of 60 s use what was taken within 61 s, and what others gave back from the 1.2 s before that. So a
# minute's limit is spread over slightly more than the sum of the three.
_MINUTE_SECONDS = 60.0 + USABLE_SECONDS + CREDITED_SECONDS + 0.1
_REQUEST_BURST_PART = 200  # 0.5 % of a minute's requests may come at once, in addition to the one that is due
_TOKEN_BURST_PART = 20


@dataclass(frozen=True)
class GcraLimit:
    """A limit in the terms of GCRA. Times are in microseconds. 0 means no limit.

    Attributes:
        request_period: Time between two requests at a steady rate.
        request_burst: Time that requests may run ahead of the steady rate.
        token_period: Time between two tokens at a steady rate.
        token_burst: Time that tokens may run ahead of the steady rate.
    """

    request_period: float
    request_burst: float
    token_period: float
    token_burst: float


def gcra_limit(limit: ModelLimit, worker_count: int = 1) -> GcraLimit:
    """Returns the part of a limit that belongs to one of several workers that cannot talk to each other.

    No 60 s hold more requests than the limit. With constant demand they hold about 95.9 % of it.

    Args:
        limit: Limit per minute, of all workers together.
        worker_count: Number of parts, at least 1. It is 1 if the workers share a bucket.
    """
    requests = (limit.requests_per_minute or 0) / worker_count
    tokens = (limit.tokens_per_minute or 0) / worker_count
    ahead = requests // _REQUEST_BURST_PART
    request_period = float(ceil(_period(requests - ahead)))  # whole, so that sums of it are exact
    token_period = _period(tokens * (1 - 1 / _TOKEN_BURST_PART))
    return GcraLimit(
        request_period=request_period,
        request_burst=request_period * (1 + ahead),
        token_period=token_period,
        token_burst=token_period * tokens / _TOKEN_BURST_PART,
    )


def _period(count: float) -> float:
    return _MINUTE_SECONDS * 1e6 / count if count else 0.0
