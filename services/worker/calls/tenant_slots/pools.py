"""The seam for the slots of calls that all workers share, a pool of them a tenant."""

from dataclasses import dataclass
from typing import Protocol

# A holder that says nothing for so long has lost its slots, in seconds.
EXPIRY_SECONDS = 10.0
# A pool that nobody knew before may have been lost: for so long a holder gets no more than its part, until
# every other one has said what it holds.
CAREFUL_SECONDS = 4.0
# Where there are fewer slots than holders, they go on to others after so long, in seconds.
TURN_SECONDS = 2.0


@dataclass(frozen=True)
class Ask:
    """What a holder has and would like to have.

    Attributes:
        key: Of the pool; opaque.
        holder: Who asks.
        limit: Places of the pool.
        part: Of one of the live workers, where nothing else is known.
        held: Places it may use while it asks; no more than it was granted, unless that has expired.
        wanted: Places it could use, ``held`` at least; 0: it leaves.
        number: Grows with each ask of a holder: one that arrives after a later one changes nothing.
    """

    key: str
    holder: str
    limit: int
    part: int
    held: int
    wanted: int
    number: int


@dataclass(frozen=True)
class Granted:
    """What a holder may use until it asks again, for ``EXPIRY_SECONDS`` at most.

    Attributes:
        count: Places.
        target: Its fair share; where it holds more, it lets go as its calls end.
    """

    count: int
    target: int


class Pools(Protocol):
    """Pools of slots."""

    async def ask(self, ask: Ask) -> Granted:
        """Returns what a holder may use from now on; all holders together never get more than the limit.

        Those that want more than their equal share shrink to it as their calls end, and others get the rest.
        """

    async def close(self) -> None:
        """Lets go of connections. Safe to repeat."""
