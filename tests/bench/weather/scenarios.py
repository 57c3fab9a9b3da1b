"""Scenarios of part G."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.weather.slots import Weather
from tests.bench.weather.window import Schedule

RETRY_AFTER_SECONDS = 5
NOISES = (0.001, 0.01, 0.05)
FAST, SLOW = "100 x 200 ms", "300 x 2 s"
# An item whose retries are used up at once frees its slot after about a second.
_FASTEST_FAILURE_SECONDS = 1.0


@dataclass(frozen=True)
class Scenario:
    """A provider's weather and the load on it.

    Attributes:
        name: Name in the table.
        weather: Behaviour of the provider.
        in_flight: Maximum calls in flight of each system.
        schedule: Times of each run.
        timeout_seconds: Time-out of each call. None for the default of each system.
        quiet_name: Scenario without noise whose rate is compared. Empty if there is none.
        with_more_retries: Whether the loop with five retries runs too.
        is_light: Whether all systems can run at the same time without slowing each other.
    """

    name: str
    weather: Weather
    in_flight: int
    schedule: Schedule
    timeout_seconds: float | None = None
    quiet_name: str = ""
    with_more_retries: bool = False
    is_light: bool = True

    @property
    def possible_per_s(self) -> float:
        """Answers a second that the provider could give to this load without noise."""
        slots = min(self.in_flight, self.weather.slot_count or self.in_flight)
        return 1000 * slots / self.weather.latency_ms

    @property
    def item_count(self) -> int:
        """More items than any system can end in a run."""
        a_second = self.possible_per_s + self.in_flight / _FASTEST_FAILURE_SECONDS
        return round(a_second * (self.schedule.warm_up_seconds + self.schedule.seconds + 2))


def scenarios(scale: float = 1.0) -> Sequence[Scenario]:
    """Returns all scenarios, each after the one that it is compared with.

    Args:
        scale: Factor of the times of each run. Values below 1 only show that the part runs.
    """

    def times(
        weather: Weather, warm_up_seconds: float, seconds: float, outage_seconds: float = 0.0
    ) -> Schedule:
        least = 1.5 * weather.latency_ms / 1000
        return Schedule(
            max(least, warm_up_seconds * scale), max(least, seconds * scale), outage_seconds * scale
        )

    fast, slow = Weather(200), Weather(2000)
    cap, queue = Weather(500, slot_count=20), Weather(500, slot_count=4, has_queue=True)

    return [
        *_with_noise(FAST, fast, 100, times(fast, 2, 10), is_light=False),
        *_with_noise(SLOW, slow, 300, times(slow, 12, 22), is_light=True),
        Scenario(
            "cap of 20 calls", cap, 100, times(cap, 8, 20), with_more_retries=True
        ),
        Scenario(
            "4 slots, queue", queue, 100, times(queue, 12, 28),
            timeout_seconds=10.0, with_more_retries=True,
        ),
        Scenario(
            f"{SLOW}, outage of 10 s", slow, 300, times(slow, 12, 30, 10),
            quiet_name=f"{SLOW}, no noise", with_more_retries=True,
        ),
    ]  # fmt: skip


def _with_noise(
    shape: str, weather: Weather, in_flight: int, schedule: Schedule, *, is_light: bool
) -> Sequence[Scenario]:
    quiet = Scenario(f"{shape}, no noise", weather, in_flight, schedule, is_light=is_light)
    noisy = [
        Scenario(
            f"{shape}, {100 * noise:g} % 429{', Retry-After' if retry_after else ''}",
            Weather(weather.latency_ms, noise=noise, retry_after=retry_after),
            in_flight,
            schedule,
            quiet_name=quiet.name,
            with_more_retries=noise == NOISES[-1],
            is_light=is_light,
        )
        for noise in NOISES
        for retry_after in (None, RETRY_AFTER_SECONDS)
    ]
    return [quiet, *noisy]
