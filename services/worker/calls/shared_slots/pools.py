"""Interface of the pools of slots that all workers share: one pool per tenant or model."""

from dataclasses import dataclass
from typing import Protocol

# A holder that has not asked for this long loses its slots. In seconds.
EXPIRY_SECONDS = 10.0
# A pool that is new may have been lost. During this time a holder gets no more than its part, until every
# other holder has reported its slots. In seconds.
CAREFUL_SECONDS = 4.0
# With fewer slots than holders, slots pass from holder to holder after this time. In seconds.
TURN_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class SlotRequest:
    """A holder's report of its slots, and its wish.

    Attributes:
        key: Opaque key of the pool.
        holder: Name of the holder.
        limit: Slots in the pool.
        part: The part of one live worker, for a pool in which nothing else is known.
        used: Slots that the holder uses until it has the reply. Not more than its grant, unless that has
            expired.
        wanted: Slots that the holder could use, at least ``used``. 0 if it leaves.
        number: Grows with each request of a holder. A request that arrives after a later one has no effect.
    """

    key: str
    holder: str
    limit: int
    part: int
    used: int
    wanted: int
    number: int


@dataclass(frozen=True)
class Granted:
    """Slots that a holder may use until its next request, for at most ``EXPIRY_SECONDS``.

    Attributes:
        count: Slots granted.
        target: Fair share of the holder. A holder with more releases slots as its calls end.
    """

    count: int
    target: int


class Pools(Protocol):
    """A pool of slots per key."""

    async def ask(self, request: SlotRequest) -> Granted:
        """Returns the slots that a holder may use from now on.

        All holders together never get more than the limit. Holders that want more than an equal share shrink
        to it as their calls end, and others get the rest.
        """

    async def close(self) -> None:
        """Closes the connections. Safe to repeat."""
