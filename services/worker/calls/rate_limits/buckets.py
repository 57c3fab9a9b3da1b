"""The seam for what is left of limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.worker.calls.rate_limits.gcra import Rates


@dataclass(frozen=True)
class Returned:
    """What was taken and not used.

    Attributes:
        request_count: Requests.
        token_count: Tokens; below 0: so many more were used than taken, which leaves a debt.
    """

    request_count: int = 0
    token_count: int = 0


@dataclass(frozen=True)
class Taken:
    """What a bucket gave.

    Attributes:
        count: Of the requests asked for, the first so many.
        wait_seconds: Until the next of them could be had, if nobody else takes it; 0: all were given.
    """

    count: int
    wait_seconds: float


class Buckets(Protocol):
    """What is left of each limit. Keys are opaque; one names a provider's key and a model."""

    async def take(self, key: str, rates: Rates, costs: Sequence[int], returned: Returned) -> Taken:
        """Takes requests, each with its tokens or not at all, the first ones first.

        A request of more tokens than may come at once is given when the bucket is full, and leaves a debt.

        Args:
            key: Whose limit.
            rates: The limit.
            costs: Tokens of each request.
            returned: Goes back first.
        """

    async def close(self) -> None:
        """Lets go of connections. Safe to repeat."""
