"""Worker processes."""

from dataclasses import dataclass
from datetime import datetime

from headrace.resources._plain_dicts import PlainDict


@dataclass(frozen=True)
class WorkerInfo(PlainDict):
    """One start of a worker process, as of its last heartbeat.

    Attributes:
        incarnation: UUID, new at every start of the process.
        address: ``host:port`` that gateways dial.
        start_time: Time of its first heartbeat.
        heartbeat_time: Time of its last heartbeat.
        live: Whether it counts as live.
        in_flight_count: Items being worked on.
        in_flight_limit: Maximum items in flight.
        leased_item_count: Unfinished items under lease, including those in flight.
        limits_degraded: Whether it cannot reach Redis and therefore applies its share of each rate limit, as
            one of the live workers.
        items_per_second: Items finished per second, over 10 s. 0 from a worker of an older release.
        tokens_per_second: Tokens per second, in and out, of finished attempts, over the same time.
        limited_count: Items that wait for a rate limit or a cool-down.
        cooldown_seconds: Seconds until its longest cool-down of a model ends. 0: no cool-down.
    """

    incarnation: str
    address: str
    start_time: datetime | None
    heartbeat_time: datetime | None
    live: bool
    in_flight_count: int
    in_flight_limit: int
    leased_item_count: int
    limits_degraded: bool = False
    items_per_second: float = 0.0
    tokens_per_second: float = 0.0
    limited_count: int = 0
    cooldown_seconds: float = 0.0
