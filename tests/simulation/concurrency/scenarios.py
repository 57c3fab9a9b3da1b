"""Scenarios of providers, and what a client gets from each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.simulation.concurrency.client import Client, Cooldown, total
from tests.simulation.concurrency.events import Events
from tests.simulation.concurrency.providers import (
    ROUND_TRIP_SECONDS,
    CappedProvider,
    OpenProvider,
    Outcome,
    QueueingProvider,
    RatedProvider,
    Service,
    always,
    varied,
)

SEEDS = range(1, 9)
TWO_SECONDS = varied(2.0)


@dataclass(frozen=True)
class Found:
    """Result of one simulation.

    Attributes:
        share: Answers in the measured span, as a share of those possible.
        rejected: Share of calls in that span that were rejected.
        timeout_count: Calls that timed out, in all.
        fairness: Jain's index of the clients' answers.
        clients: The clients.
        cooldown: Their cool-down.
    """

    share: float
    rejected: float
    timeout_count: int
    fairness: float
    clients: Sequence[Client]
    cooldown: Cooldown


@dataclass(frozen=True)
class Scenario:
    """A provider, and clients with endless items.

    Attributes:
        make_provider: Makes the provider.
        possible: Answers a second that it could give.
        seconds: Simulated time.
        begin: Begin of the measured span, in seconds.
        ceiling: Maximum calls in flight of each client.
        client_count: Clients.
        slot_counts: Later slot counts of a capped provider, by time.
    """

    make_provider: Callable[[Events], OpenProvider]
    possible: float
    seconds: float
    begin: float = 30.0
    ceiling: int = 300
    client_count: int = 1
    slot_counts: Sequence[tuple[float, int]] = ()

    def run(self, seed: int) -> Found:
        """Simulates the scenario once."""
        events, cooldown = Events(seed), Cooldown()
        provider = self.make_provider(events)
        for when, slot_count in self.slot_counts:
            events.at(when, setattr, provider, "slot_count", slot_count)
        clients = [
            Client(events, provider, self.ceiling, cooldown=cooldown) for _ in range(self.client_count)
        ]
        events.run(self.seconds)
        ended = {outcome: total(clients, outcome, self.begin, self.seconds) for outcome in Outcome}
        answered = [client.count(Outcome.ANSWERED, self.begin, self.seconds) for client in clients]
        return Found(
            share=sum(answered) / (self.possible * (self.seconds - self.begin)),
            rejected=ended[Outcome.REJECTED] / max(1, sum(ended.values())),
            timeout_count=total(clients, Outcome.TIMED_OUT, 0, self.seconds),
            fairness=sum(answered) ** 2 / (len(answered) * sum(n * n for n in answered) or 1),
            clients=clients,
            cooldown=cooldown,
        )


def with_noise(noise: float, retry_after: float | None = None) -> Scenario:
    """300 slots, answers of 2 s, and random rejections."""
    return Scenario(
        lambda events: OpenProvider(events, TWO_SECONDS, noise, retry_after),
        possible=300 / (2.0 + ROUND_TRIP_SECONDS),
        seconds=200.0,
    )


def with_fast_noise(noise: float) -> Scenario:
    """100 slots, answers of 200 ms, and random rejections."""
    return Scenario(
        lambda events: OpenProvider(events, always(0.2), noise),
        possible=100 / (0.2 + ROUND_TRIP_SECONDS),
        seconds=20.0,
        begin=5.0,
        ceiling=100,
    )


def from_cold(make_provider: Callable[[Events], OpenProvider], slot_count: int) -> Scenario:
    """The 22 s after the first 12 s of a client that knows nothing of a provider with answers of 2 s."""
    return Scenario(make_provider, possible=slot_count / (2.0 + ROUND_TRIP_SECONDS), seconds=34.0, begin=12.0)


def with_cap(slot_count: int, service: Service, *, noise: float = 0.0, clients: int = 1) -> Scenario:
    """A provider that rejects calls beyond its slots; answers take 2 s."""
    return Scenario(
        lambda events: CappedProvider(events, service, slot_count, noise=noise),
        possible=slot_count / 2.0,
        seconds=200.0,
        client_count=clients,
    )


def with_queue(service: Service, mean_seconds: float, seconds: float) -> Scenario:
    """A server with four slots and an endless queue."""
    return Scenario(
        lambda events: QueueingProvider(events, service, 4),
        possible=4 / mean_seconds,
        seconds=seconds,
        begin=60.0,
        ceiling=100,
    )


def with_rate() -> Scenario:
    """600 calls a minute."""
    return Scenario(
        lambda events: RatedProvider(events, TWO_SECONDS, rate=10, burst=60),
        possible=10.0,
        seconds=300.0,
        begin=60.0,
    )


def with_changing_cap() -> Scenario:
    """A cap of 100 that is 10 from 60 s to 120 s."""
    return Scenario(
        lambda events: CappedProvider(events, TWO_SECONDS, 100),
        possible=50.0,
        seconds=170.0,
        slot_counts=((60.0, 10), (120.0, 100)),
    )


SCENARIOS = {
    "no noise": with_noise(0.0),
    "1 % noise": with_noise(0.01),
    "1 % noise, Retry-After 20 s": with_noise(0.01, 20.0),
    "5 % noise": with_noise(0.05),
    "5 % noise, Retry-After 20 s": with_noise(0.05, 20.0),
    "20 % noise": with_noise(0.2),
    "1 % noise, 100 slots of 200 ms": with_fast_noise(0.01),
    "5 % noise, 100 slots of 200 ms": with_fast_noise(0.05),
    "5 % noise, from cold": from_cold(lambda events: OpenProvider(events, TWO_SECONDS, 0.05), 300),
    "cap of 100, 1 % noise, from cold": from_cold(
        lambda events: CappedProvider(events, TWO_SECONDS, 100, noise=0.01), 100
    ),
    "cap of 20, constant lengths": with_cap(20, always(2.0)),
    "cap of 20, varied lengths": with_cap(20, TWO_SECONDS),
    "cap of 20, 1 % noise": with_cap(20, TWO_SECONDS, noise=0.01),
    "4 slots with a queue, 5 s": with_queue(always(5.0), 5.0, 800.0),
    "4 slots with a queue, 55 s": with_queue(always(55.0), 55.0, 2000.0),
    "4 slots with a queue, heavy tails of 5 s": with_queue(varied(5.0, 1.0), 5.0, 800.0),
    "600 calls a minute": with_rate(),
    "4 workers on a cap of 100": with_cap(100, TWO_SECONDS, clients=4),
}
