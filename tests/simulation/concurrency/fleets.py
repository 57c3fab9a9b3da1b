"""Workers that share their limit through Redis: they join, leave, lose Redis, or have little to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.worker.calls.concurrency.rule import LimitState
from tests.simulation.concurrency.blackboard import Blackboard
from tests.simulation.concurrency.client import Client, Cooldown, total
from tests.simulation.concurrency.events import Events
from tests.simulation.concurrency.providers import CappedProvider, Outcome
from tests.simulation.concurrency.scenarios import TWO_SECONDS

CAP = 100


@dataclass(frozen=True)
class Ran:
    """A fleet after its simulation.

    Attributes:
        clients: The workers.
        blackboard: What they share.
        slot_count: Slots of the provider.
    """

    clients: Sequence[Client]
    blackboard: Blackboard
    slot_count: int

    def share(self, begin: float, end: float) -> float:
        """Returns the answers in a span as a share of those possible."""
        return total(self.clients, Outcome.ANSWERED, begin, end) / (self.slot_count / 2.0 * (end - begin))

    def rejected(self, begin: float, end: float) -> float:
        """Returns the share of the calls in a span that were rejected."""
        ended_count = sum(total(self.clients, outcome, begin, end) for outcome in Outcome)
        return total(self.clients, Outcome.REJECTED, begin, end) / max(1, ended_count)

    def fairness(self, begin: float, end: float) -> float:
        """Returns Jain's index of the answers of the workers with endless items."""
        counts = [
            client.count(Outcome.ANSWERED, begin, end)
            for client in self.clients
            if client.item_count is None and not client.has_left
        ]
        return sum(counts) ** 2 / (len(counts) * sum(n * n for n in counts) or 1)


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Workers on one hard cap.

    Attributes:
        seconds: Simulated time.
        slot_count: Slots of the provider.
        begins: Time at which each worker begins.
        item_counts: Items of each worker. None for an endless number.
        state: What Redis knows at first.
        changes: Changes of the workers and of Redis, by time.
    """

    seconds: float
    slot_count: int = CAP
    begins: Sequence[float] = (0.0,) * 4
    item_counts: Sequence[int | None] = (None,) * 4
    state: LimitState | None = None
    changes: Sequence[tuple[float, Callable[[Ran], None]]] = ()

    def run(self, seed: int) -> Ran:
        """Simulates the fleet once."""
        events, cooldown = Events(seed), Cooldown()
        provider, blackboard = CappedProvider(events, TWO_SECONDS, self.slot_count), Blackboard(self.state)
        clients = [
            Client(
                events,
                provider,
                300,
                self.item_counts[number],
                cooldown,
                blackboard=blackboard,
                begin=begin,
                name=str(number),
            )
            for number, begin in enumerate(self.begins)
        ]
        ran = Ran(clients, blackboard, self.slot_count)
        for when, change in self.changes:
            events.at(when, change, ran)
        events.run(self.seconds)
        return ran


def lose_redis(ran: Ran) -> None:
    """Makes Redis unreachable."""
    ran.blackboard.is_away = True


def restore_redis(ran: Ran) -> None:
    """Makes Redis reachable again, with all it knew."""
    ran.blackboard.is_away = False


def flush_redis(ran: Ran) -> None:
    """Makes Redis forget everything."""
    ran.blackboard.flush()


def leave(ran: Ran) -> None:
    """Ends the last worker."""
    ran.clients[-1].leave()


def crash(ran: Ran) -> None:
    """Ends the last worker, which cannot say so."""
    ran.clients[-1].crash()


def give_five(ran: Ran) -> None:
    """Adds five items to the last worker."""
    ran.clients[-1].item_count = 5


YESTERDAY = LimitState(decision_id="yesterday", limit=300.0, usual_latency=2.0, latency=2.0)

FLEETS = {
    "4 workers": Fleet(seconds=130.0),
    "a worker joins three at 60 s": Fleet(seconds=120.0, begins=(0.0, 0.0, 0.0, 60.0)),
    "one of four leaves at 60 s": Fleet(seconds=110.0, changes=[(60.0, leave)]),
    "one of four crashes at 60 s": Fleet(seconds=110.0, changes=[(60.0, crash)]),
    "one of four has 5 items each 10 s": Fleet(
        seconds=120.0,
        item_counts=(None, None, None, 5),
        changes=[(40.0 + 10 * turn, give_five) for turn in range(8)],
    ),
    "Redis is away from 60 s to 100 s": Fleet(
        seconds=150.0, changes=[(60.0, lose_redis), (100.0, restore_redis)]
    ),
    "Redis is flushed at 60 s": Fleet(seconds=110.0, changes=[(60.0, flush_redis)]),
    "300 of yesterday, 20 today": Fleet(seconds=80.0, slot_count=20, begins=(0.0,), state=YESTERDAY),
    "300 of yesterday, 20 today, 4 workers": Fleet(seconds=80.0, slot_count=20, state=YESTERDAY),
}
