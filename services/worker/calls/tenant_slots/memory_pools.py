"""Pools of slots of a single process."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.worker.calls.tenant_slots.pools import (
    CAREFUL_SECONDS,
    EXPIRY_SECONDS,
    TURN_SECONDS,
    Ask,
    Granted,
)


@dataclass
class _Holding:
    count: int
    wanted: int
    until: float
    number: int


@dataclass
class _Pool:
    birth: float
    holdings: dict[str, _Holding] = field(default_factory=dict)


class MemoryPools:
    """Pools that only this process knows. They reckon as the script in ``redis_pools`` does.

    Args:
        clock: Gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pools: dict[str, _Pool] = {}

    async def ask(self, ask: Ask) -> Granted:
        """Returns what a holder may use from now on; see Pools."""
        now = self._clock()
        pool = self._pools.setdefault(ask.key, _Pool(now))
        pool.holdings = {name: kept for name, kept in pool.holdings.items() if kept.until > now}
        before = pool.holdings.pop(ask.holder, None)
        wants = {name: holding.wanted for name, holding in pool.holdings.items()}
        target = fair_share(wants | {ask.holder: ask.wanted}, ask.holder, ask.limit, now)
        free = max(0, ask.limit - ask.held - sum(holding.count for holding in pool.holdings.values()))
        most = min(target, ask.part) if now - pool.birth < CAREFUL_SECONDS else target
        count = max(ask.held, min(most, ask.held + free))
        if before is not None and before.number >= ask.number:
            pool.holdings[ask.holder] = before
        elif count or ask.wanted:
            pool.holdings[ask.holder] = _Holding(count, ask.wanted, now + EXPIRY_SECONDS, ask.number)
        return Granted(count, target)

    async def close(self) -> None:
        """Does nothing: there are no connections."""


def fair_share(wants: Mapping[str, int], holder: str, limit: int, now: float) -> int:
    """Returns how many of so many slots a holder should have.

    Who wants little gets all of it, the others share the rest equally; what is left over goes by name, and
    where there is less than one for each, they take turns.
    """
    greedy = sorted((wanted, name) for name, wanted in wants.items() if wanted)
    rest = limit
    while greedy and greedy[0][0] <= rest // len(greedy):
        wanted, name = greedy.pop(0)
        if name == holder:
            return wanted
        rest -= wanted
    names = sorted(name for _, name in greedy)
    if holder not in names:
        return 0
    share, left_over = divmod(rest, len(names))
    turn = int(now // TURN_SECONDS) if share == 0 else 0
    return share + int((names.index(holder) - turn) % len(names) < left_over)
