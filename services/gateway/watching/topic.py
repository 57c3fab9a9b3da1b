"""A watched job in the hub: builds each message once for all its watchers."""

from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from services.gateway.requests.resume_tokens import resume_token
from services.gateway.watching.forecast import Forecast
from services.shared.job_states import TERMINAL_STATES

# Maximum live events in one message: those of the workers that sent one last.
MAX_LIVE_EVENTS = 64
# Minimum time between live numbers that go with a snapshot, in seconds.
LIVE_SECONDS = 1.0
# Time without live numbers after which they go without a snapshot, in seconds.
ALONE_AFTER_SECONDS = 1.25
# The first live numbers wait this long for live events, in seconds: without them nothing seems in flight.
FIRST_SECONDS = 3.0
_EMPTY = jobs_pb2.JobForecast()


class Topic:
    """The newest snapshot of a job and its newest live numbers (live events and the forecast).

    Args:
        job_id: Id of the job.
        now: Monotonic time in seconds.

    Attributes:
        updated_at: Time of the last snapshot from any source, or of the last request to re-read the job.
        seen_at: Time when the job was last known to exist.
        live_number: Number of the newest live numbers; counts up from 0.
    """

    def __init__(self, job_id: str, now: float) -> None:
        self.updated_at = self.seen_at = now
        self.live_number = 0
        self._job_id = job_id
        self._newest: gateway_pb2.WatchJobResponse | None = None
        self._live_events: dict[str, jobs_pb2.LiveEvent] = {}
        self._forecast = Forecast()
        self._last_forecast = _EMPTY
        self._live_at = now
        self._live: gateway_pb2.WatchJobResponse | None = None  # without a resume token
        self._both: gateway_pb2.WatchJobResponse | None = None
        self._alone: gateway_pb2.WatchJobResponse | None = None

    @property
    def seq(self) -> int:
        """Seq of the newest snapshot; 0 if there is none yet."""
        return self._newest.job.seq if self._newest is not None else 0

    def put_job(self, job: jobs_pb2.Job, now: float) -> None:
        """Sets a snapshot with a greater seq; live numbers that are due go with it."""
        token = resume_token(job.job_id, job.seq)
        self._newest = gateway_pb2.WatchJobResponse(job=job, resume_token=token)
        self._both = self._alone = None
        self._forecast.put_job(job, now)
        if job.state in TERMINAL_STATES:
            self._live = None
        elif now - self._live_at >= (LIVE_SECONDS if self._has_live_numbers() else FIRST_SECONDS):
            self._renew_live_numbers(now)

    def put_live_event(self, live_event: jobs_pb2.LiveEvent, now: float) -> None:
        """Sets the live event of a worker, replacing its earlier one."""
        self._live_events.pop(live_event.incarnation, None)
        self._live_events[live_event.incarnation] = live_event
        if len(self._live_events) > MAX_LIVE_EVENTS:
            del self._live_events[next(iter(self._live_events))]
        self._forecast.put_live_event(live_event, now)

    def renew_overdue_live_numbers(self, now: float) -> bool:
        """Renews live numbers that no snapshot has taken along; returns whether there are new ones."""
        if not self._has_live_numbers():
            return False
        if now - self._live_at < ALONE_AFTER_SECONDS or self._is_terminal():
            return False
        is_new = self._renew_live_numbers(now)
        self._live_at = now
        return is_new

    def unread_after(self, seq: int, live_number: int) -> gateway_pb2.WatchJobResponse | None:
        """Returns the newest message for a watcher; None if it has seen everything.

        Args:
            seq: Last seq that the watcher has seen.
            live_number: Number of the last live numbers that it has seen.
        """
        newest = self._newest if self.seq > seq else None
        if self._live is None or self.live_number <= live_number:
            return newest
        if newest is None:
            return self._alone_after(seq, self._live)
        if self._both is None:
            self._both = gateway_pb2.WatchJobResponse()
            self._both.CopyFrom(self._live)
            self._both.job.CopyFrom(newest.job)
            self._both.resume_token = newest.resume_token
        return self._both

    def _alone_after(self, seq: int, live: gateway_pb2.WatchJobResponse) -> gateway_pb2.WatchJobResponse:
        if self._alone is not None and seq == self.seq:
            return self._alone
        alone = gateway_pb2.WatchJobResponse()
        alone.CopyFrom(live)
        alone.resume_token = resume_token(self._job_id, seq)
        if seq == self.seq:
            self._alone = alone
        return alone

    def _has_live_numbers(self) -> bool:
        return bool(self._live_events) or self._last_forecast != _EMPTY

    def _is_terminal(self) -> bool:
        return self._newest is not None and self._newest.job.state in TERMINAL_STATES

    def _renew_live_numbers(self, now: float) -> bool:
        forecast = self._forecast.read(now)
        if not self._live_events and forecast == self._last_forecast:
            return False
        self._live = gateway_pb2.WatchJobResponse(live_events=self._live_events.values(), forecast=forecast)
        self._live_events = {}
        self._last_forecast, self._live_at = forecast, now
        self.live_number += 1
        self._both = self._alone = None
        return True
