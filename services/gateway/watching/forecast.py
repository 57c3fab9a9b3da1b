"""What is told of a watched job beside its snapshots: how fast it moves and what is likely to come."""

from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.pace import STALL_SECONDS, Pace, done_count

# What a worker told of a job counts for so long; it tells each second while it works on it.
TOLD_SECONDS = 3.0


class Forecast:
    """Adds up what all workers tell of one job, and foretells its end.

    Args:
        pace: Takes its snapshots.
    """

    def __init__(self, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self._job = jobs_pb2.Job()
        self._told: dict[str, tuple[float, jobs_pb2.LiveEvent]] = {}

    def put_job(self, job: jobs_pb2.Job, now: float) -> None:
        """Takes a snapshot that is newer than the one before."""
        self._pace.put(job, now)
        self._job = job

    def put_live_event(self, live_event: jobs_pb2.LiveEvent, now: float) -> None:
        """Takes what a worker tells; its newest counts."""
        self._told[live_event.incarnation] = (now, live_event)

    def read(self, now: float) -> jobs_pb2.JobForecast:
        """Returns the forecast at a moment; an empty one where there is nothing to tell."""
        self._told = {name: told for name, told in self._told.items() if now - told[0] < TOLD_SECONDS}
        told = [live_event for _, live_event in self._told.values()]
        in_flight_count = sum(live_event.in_flight_count for live_event in told)
        items, tokens = self._pace.rates(now, in_flight_count)
        forecast = jobs_pb2.JobForecast(
            items_per_second=items,
            tokens_per_second=tokens,
            in_flight_count=in_flight_count,
            limited_count=sum(live_event.limited_count for live_event in told),
            cooldown_seconds=self._cooldown_seconds(now),
            estimated_cost_micros=self._final_cost_micros(in_flight_count),
        )
        remaining = self._pace.remaining_seconds(now, in_flight_count)
        if remaining is not None and not self._is_held_up(forecast):
            forecast.estimated_remaining.FromMicroseconds(max(1, round(remaining * 1_000_000)))
        return forecast

    def _final_cost_micros(self, in_flight_count: int) -> int | None:
        left = self._job.progress.total_count - done_count(self._job)
        return self._pace.final_cost_micros(in_flight_count) if left > 0 else None

    def _cooldown_seconds(self, now: float) -> float:
        left = (event.cooldown_seconds - (now - time) for time, event in self._told.values())
        return max(0.0, *left) if self._told else 0.0

    def _is_held_up(self, forecast: jobs_pb2.JobForecast) -> bool:
        """Returns whether a long cool-down, or the end of the budget, comes before the end."""
        budget_ends = (
            self._job.HasField("budget_micros") and forecast.estimated_cost_micros > self._job.budget_micros
        )
        return budget_ends or forecast.cooldown_seconds > STALL_SECONDS
