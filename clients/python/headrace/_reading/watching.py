"""Watches a job over as many connections as it takes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from headrace._messages.conversion import to_forecast, to_job, to_live_events
from headrace._transport.connection import GatewayConnection, is_passing
from headrace._transport.resumption import Resumption
from headrace.errors import HeadraceError, UnavailableError
from headrace.gateway.v1 import gateway_pb2
from headrace.reasons import ErrorReason
from headrace.resources import Job, JobEvent, JobForecast


class WatchPosition:
    """Position of a watch: the newest snapshot seen and the token that continues after it."""

    def __init__(self, resume_token: str = "") -> None:
        self.resume_token = resume_token
        self._job: Job | None = None
        self._forecast: JobForecast | None = None

    def begin_stream(self) -> None:
        """Drops the live numbers of the previous stream."""
        self._forecast = None

    def advance(self, response: gateway_pb2.WatchJobResponse) -> JobEvent | None:
        """Returns the event of a message, or None if it brings nothing new."""
        is_newer = response.HasField("job") and (self._job is None or response.job.seq > self._job.seq)
        if is_newer:
            self._job = to_job(response.job)
        if response.resume_token:
            self.resume_token = response.resume_token
        live_events, has_forecast = to_live_events(response.live_events), response.HasField("forecast")
        if has_forecast:
            self._forecast = to_forecast(response.forecast)
        if self._job is None or not (is_newer or live_events or has_forecast):
            return None
        forecast = None if self._job.state.is_terminal else self._forecast
        return JobEvent(self._job, self.resume_token, live_events, forecast)

    def may_continue(self, error: HeadraceError) -> bool:
        """Returns whether to call again after an error. Drops a token that another gateway refuses."""
        if error.reason == ErrorReason.INVALID_RESUME_TOKEN and self._job is not None and self.resume_token:
            self.resume_token = ""
            return True
        return is_passing(error)


async def watch_job(
    connection: GatewayConnection, request: gateway_pb2.WatchJobRequest
) -> AsyncGenerator[JobEvent, None]:
    """Yields a job's events up to its terminal snapshot. A broken stream continues where it broke.

    Args:
        connection: Connection to read from.
        request: Job and starting point. Its resume_token is advanced here.

    Raises:
        HeadraceError: The gateway refused the watch, or none answered for the connection's resume_timeout.
    """
    async with aclosing(watch_steps(connection, request)) as steps:
        async for step in steps:
            if step is not None:
                yield step


async def watch_steps(
    connection: GatewayConnection, request: gateway_pb2.WatchJobRequest
) -> AsyncGenerator[JobEvent | None, None]:
    """Yields a job's events as ``watch_job`` does, and None whenever the stream broke and is opened again.

    Args:
        connection: Connection to read from.
        request: Job and starting point. Its resume_token is advanced here.

    Raises:
        HeadraceError: The gateway refused the watch, or none answered for the connection's resume_timeout.
    """
    position = WatchPosition(request.resume_token)
    resumption = Resumption(connection)
    while True:
        try:
            async with aclosing(_read_stream(connection, request, position, resumption)) as events:
                async for event in events:
                    yield event
                    if event.state.is_terminal:
                        return
            raise UnavailableError("the stream ended before the job did")
        except HeadraceError as error:
            if not position.may_continue(error):
                raise
            yield None
            if not await resumption.wait():
                raise


async def _read_stream(
    connection: GatewayConnection,
    request: gateway_pb2.WatchJobRequest,
    position: WatchPosition,
    resumption: Resumption,
) -> AsyncGenerator[JobEvent, None]:
    request.resume_token = position.resume_token
    position.begin_stream()
    async with aclosing(resumption.read(connection.stub.WatchJob, request)) as responses:
        async for response in responses:
            event = position.advance(response)
            if event is not None:
                resumption.note_news()
                yield event
