"""The arithmetic of a limit: what "so many a minute" means for a smooth limiter."""

from dataclasses import dataclass
from math import ceil

from services.shared.setting_types import ModelLimit

# What is taken may be used so long afterwards, in seconds; then it goes back.
USABLE_SECONDS = 1.0
# What goes back later than this after it was taken is not credited, in seconds.
CREDITED_SECONDS = 1.2
# In 60 s of calls there is what was taken in 61 s, and what others gave back of the 1.2 s before; so a limit
# of a minute is spread over a little more than their sum.
_MINUTE_SECONDS = 60.0 + USABLE_SECONDS + CREDITED_SECONDS + 0.1
_REQUEST_BURST_PART = 200  # 0.5 % of a minute's requests may come at once, beside the one that is due
_TOKEN_BURST_PART = 20


@dataclass(frozen=True)
class Rates:
    """A limit in the terms of a generic cell rate limiter; times in microseconds, 0: not limited.

    Attributes:
        request_period: Between two requests, at a steady rate.
        request_burst: How far requests may run ahead of the steady rate.
        token_period: Between two tokens.
        token_burst: How far tokens may run ahead.
    """

    request_period: float
    request_burst: float
    token_period: float
    token_burst: float


def rates_of(limit: ModelLimit, worker_count: int = 1) -> Rates:
    """Returns the rates of one of so many workers that share a limit and cannot talk to each other.

    In no 60 s are there more requests than the limit, and about 95.9 % of it where there is always work.

    Args:
        limit: A minute's, of all.
        worker_count: At least 1; 1 also where the workers share a bucket.
    """
    requests = (limit.requests_per_minute or 0) / worker_count
    tokens = (limit.tokens_per_minute or 0) / worker_count
    ahead = requests // _REQUEST_BURST_PART
    request_period = float(ceil(_period(requests - ahead)))  # whole, so that sums of it are exact
    token_period = _period(tokens * (1 - 1 / _TOKEN_BURST_PART))
    return Rates(
        request_period, request_period * (1 + ahead), token_period, token_period * tokens / _TOKEN_BURST_PART
    )


def _period(count: float) -> float:
    return _MINUTE_SECONDS * 1e6 / count if count else 0.0
