"""Model of the pools, written in Python to check the script in ``redis_pools``."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.worker.calls.shared_slots.pools import (
    CAREFUL_SECONDS,
    EXPIRY_SECONDS,
    TURN_SECONDS,
    Granted,
    SlotRequest,
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
    """Pools in the memory of one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pools: dict[str, _Pool] = {}

    async def ask(self, request: SlotRequest) -> Granted:
        now = self._clock()
        pool = self._pools.setdefault(request.key, _Pool(now))
        pool.holdings = {name: kept for name, kept in pool.holdings.items() if kept.until > now}
        before = pool.holdings.pop(request.holder, None)
        wants = {name: holding.wanted for name, holding in pool.holdings.items()}
        target = fair_share(wants | {request.holder: request.wanted}, request.holder, request.limit, now)
        free = max(0, request.limit - request.used - sum(holding.count for holding in pool.holdings.values()))
        capped = min(target, request.part) if now - pool.birth < CAREFUL_SECONDS else target
        count = max(request.used, min(capped, request.used + free))
        if before is not None and before.number >= request.number:
            pool.holdings[request.holder] = before
        elif count or request.wanted:
            pool.holdings[request.holder] = _Holding(
                count, request.wanted, now + EXPIRY_SECONDS, request.number
            )
        return Granted(count, target)

    async def close(self) -> None:
        pass


def fair_share(wants: Mapping[str, int], holder: str, limit: int, now: float) -> int:
    """Returns the fair share of a holder.

    Holders that want little get all of it, and the others share the rest equally. Any remainder goes by name.
    If there is less than one slot for each, holders take turns.
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
