"""Forecasts a watched job: its rates, its calls in flight, its remaining time and its final cost."""

from collections.abc import Sequence

from headrace.jobs.v1 import jobs_pb2
from services.gateway.watching.throughput import STALL_SECONDS, Throughput, done_count

# A live event counts for this time. A worker sends one each second while it works on the job.
LIVE_EVENT_SECONDS = 3.0


class Forecast:
    """Adds up the live events of all workers for one job, and estimates its remaining time and cost.

    Args:
        throughput: Measures the job's snapshots.
    """

    def __init__(self, throughput: Throughput | None = None) -> None:
        self._throughput = throughput or Throughput()
        self._job = jobs_pb2.Job()
        self._live_events: dict[str, tuple[float, jobs_pb2.LiveEvent]] = {}

    def put_job(self, job: jobs_pb2.Job, now: float) -> None:
        """Adds a snapshot that is newer than the one before."""
        self._throughput.put(job, now)
        self._job = job

    def put_live_event(self, live_event: jobs_pb2.LiveEvent, now: float) -> None:
        """Adds a live event of a worker; it replaces the worker's earlier one."""
        self._live_events[live_event.incarnation] = (now, live_event)

    def read(self, now: float) -> jobs_pb2.JobForecast:
        """Returns the forecast at a time in seconds; empty if nothing is known."""
        self._live_events = {
            incarnation: (put_at, event)
            for incarnation, (put_at, event) in self._live_events.items()
            if now - put_at < LIVE_EVENT_SECONDS
        }
        events = [event for _, event in self._live_events.values()]
        in_flight_count = sum(event.in_flight_count for event in events)
        items, tokens = self._throughput.rates(now, in_flight_count)
        forecast = jobs_pb2.JobForecast(
            items_per_second=items,
            tokens_per_second=tokens,
            in_flight_count=in_flight_count,
            limited_count=sum(event.limited_count for event in events),
            cooldown_seconds=self._cooldown_seconds(now),
            estimated_cost_micros=self._final_cost_micros(in_flight_count),
            outage=self._outage(events),
        )
        remaining = self._throughput.remaining_seconds(now, in_flight_count)
        if remaining is not None and not self._is_interrupted(forecast):
            forecast.estimated_remaining.FromMicroseconds(max(1, round(remaining * 1_000_000)))
        return forecast

    def _final_cost_micros(self, in_flight_count: int) -> int | None:
        unfinished_count = self._job.progress.total_count - done_count(self._job)
        return self._throughput.final_cost_micros(in_flight_count) if unfinished_count > 0 else None

    @staticmethod
    def _outage(events: Sequence[jobs_pb2.LiveEvent]) -> jobs_pb2.JobOutage | None:
        """Returns the outage that began first, with the latest words of any worker about it."""
        reporting = [event for event in events if event.HasField("outage")]
        if not reporting:
            return None
        found = jobs_pb2.JobOutage()
        found.CopyFrom(max(reporting, key=lambda event: event.event_time.ToNanoseconds()).outage)
        first = min(reporting, key=lambda event: event.outage.begin_time.ToNanoseconds())
        found.begin_time.CopyFrom(first.outage.begin_time)
        return found

    def _cooldown_seconds(self, now: float) -> float:
        remaining = [event.cooldown_seconds - (now - put_at) for put_at, event in self._live_events.values()]
        return max(0.0, *remaining) if remaining else 0.0

    def _is_interrupted(self, forecast: jobs_pb2.JobForecast) -> bool:
        """Returns whether an outage, a long cool-down or the end of the budget delays the end of the job."""
        exceeds_budget = (
            self._job.HasField("budget_micros") and forecast.estimated_cost_micros > self._job.budget_micros
        )
        return exceeds_budget or forecast.HasField("outage") or forecast.cooldown_seconds > STALL_SECONDS
