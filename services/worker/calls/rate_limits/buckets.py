"""Interface of the buckets that requests and tokens are taken from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.worker.calls.rate_limits.gcra import GcraLimit


@dataclass(frozen=True)
class Returned:
    """Requests and tokens that were taken and not used.

    Attributes:
        request_count: Requests.
        token_count: Tokens. A negative count is a debt: more tokens were used than taken.
    """

    request_count: int = 0
    token_count: int = 0


@dataclass(frozen=True)
class Taken:
    """Reply of a bucket.

    Attributes:
        count: Number of requests granted, from the start of the list.
        wait_seconds: Time until the next request is available, if nobody else takes it. 0 if all were
            granted.
    """

    count: int
    wait_seconds: float


class Buckets(Protocol):
    """A bucket per key. Keys are opaque. Each stands for a provider's key and a model."""

    async def take(self, key: str, limit: GcraLimit, costs: Sequence[int], returned: Returned) -> Taken:
        """Takes requests in order, each together with its tokens.

        A request with more tokens than the burst is granted when the bucket is full, and leaves a debt.

        Args:
            key: Bucket to take from.
            limit: Limit of the bucket.
            costs: Tokens of each request.
            returned: Put back before anything is taken.
        """

    async def close(self) -> None:
        """Closes the connections. Safe to repeat."""
