"""A watched job in the hub: what its watchers are sent is put together once for all of them."""

from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2
from services.gateway.requests.resume_tokens import resume_token
from services.gateway.watching.forecast import Forecast
from services.shared.job_states import TERMINAL_STATES

# Workers whose live events go out at once, at most: those that told last.
MAX_LIVE_EVENTS = 64
# Live numbers go out so often, in seconds, along with a snapshot; or alone where none comes a little longer.
LIVE_SECONDS = 1.0
ALONE_AFTER_SECONDS = 1.25
# The first wait so long for what workers tell: without it nothing would seem to be in flight.
FIRST_SECONDS = 3.0
_NOTHING = jobs_pb2.JobForecast()


class Topic:
    """The newest snapshot of a job and its newest live numbers.

    Args:
        job_id: The job.
        now: In seconds of a clock that does not go back.

    Attributes:
        heard_at: When there was last news of the job, or it was asked for.
        seen_at: When it was last seen to be there.
        live_number: Counts the live numbers that were told.
    """

    def __init__(self, job_id: str, now: float) -> None:
        self.heard_at = self.seen_at = now
        self.live_number = 0
        self._job_id = job_id
        self._newest: gateway_pb2.WatchJobResponse | None = None
        self._live_events: dict[str, jobs_pb2.LiveEvent] = {}
        self._forecast = Forecast()
        self._told = _NOTHING
        self._told_at = now
        self._live: gateway_pb2.WatchJobResponse | None = None  # without a token
        self._both: gateway_pb2.WatchJobResponse | None = None
        self._alone: gateway_pb2.WatchJobResponse | None = None

    @property
    def seq(self) -> int:
        """Of the newest snapshot; 0: there is none yet."""
        return self._newest.job.seq if self._newest is not None else 0

    def put_job(self, job: jobs_pb2.Job, now: float) -> None:
        """Takes a snapshot with a greater seq; live numbers that are due go along with it."""
        token = resume_token(job.job_id, job.seq)
        self._newest = gateway_pb2.WatchJobResponse(job=job, resume_token=token)
        self._both = self._alone = None
        self._forecast.put_job(job, now)
        if job.state in TERMINAL_STATES:
            self._live = None
        elif now - self._told_at >= (LIVE_SECONDS if self._has_live_numbers() else FIRST_SECONDS):
            self._tell(now)

    def put_live_event(self, live_event: jobs_pb2.LiveEvent, now: float) -> None:
        """Takes what a worker tells, in place of what it told before."""
        self._live_events.pop(live_event.incarnation, None)
        self._live_events[live_event.incarnation] = live_event
        if len(self._live_events) > MAX_LIVE_EVENTS:
            del self._live_events[next(iter(self._live_events))]
        self._forecast.put_live_event(live_event, now)

    def notify_alone(self, now: float) -> bool:
        """Returns whether there are new live numbers from here on, for no snapshot has brought them."""
        if not self._has_live_numbers():
            return False
        if now - self._told_at < ALONE_AFTER_SECONDS or self._is_over():
            return False
        is_new = self._tell(now)
        self._told_at = now
        return is_new

    def news_after(self, seq: int, live_number: int) -> gateway_pb2.WatchJobResponse | None:
        """Returns what a watcher who has seen this much has not seen yet; None: nothing."""
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
        return bool(self._live_events) or self._told != _NOTHING

    def _is_over(self) -> bool:
        return self._newest is not None and self._newest.job.state in TERMINAL_STATES

    def _tell(self, now: float) -> bool:
        forecast = self._forecast.read(now)
        if not self._live_events and forecast == self._told:
            return False
        self._live = gateway_pb2.WatchJobResponse(live_events=self._live_events.values(), forecast=forecast)
        self._live_events = {}
        self._told, self._told_at = forecast, now
        self.live_number += 1
        self._both = self._alone = None
        return True
