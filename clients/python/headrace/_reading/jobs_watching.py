"""Watches many jobs over as many connections as it takes."""

import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing

from headrace._messages.conversion import to_job
from headrace._messages.enum_names import from_job_states
from headrace._messages.request_building import build_request
from headrace._transport.connection import GatewayConnection, is_passing
from headrace._transport.resumption import Resumption
from headrace.errors import HeadraceError, UnavailableError
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import JobState, WatchedJob

log = logging.getLogger("headrace")


def watch_jobs_request(
    labels: Mapping[str, str] | None,
    states: Iterable[JobState | str] | None,
    kind: str | None,
    resume_token: str | None,
) -> gateway_pb2.WatchJobsRequest:
    """Returns the request of a watch of many jobs.

    Raises:
        InvalidArgumentError: The request cannot hold some of the values; ``violations`` names each.
    """
    return build_request(
        gateway_pb2.WatchJobsRequest,
        labels=labels,
        states=from_job_states(() if states is None else states),
        kind=kind,
        resume_token=resume_token,
    )


async def watch_jobs(
    connection: GatewayConnection,
    request: gateway_pb2.WatchJobsRequest,
    on_reset: Callable[[], object] | None,
) -> AsyncGenerator[WatchedJob, None]:
    """Yields the jobs of a watch. A broken stream continues where it broke.

    Args:
        connection: Connection to read from.
        request: Filters and starting point. Its resume_token is advanced here.
        on_reset: Called when changes may have been missed.

    Raises:
        HeadraceError: The gateway refused the watch, or none answered for the connection's resume_timeout.
    """
    resumption = Resumption(connection)
    while True:
        try:
            async with aclosing(_read_stream(connection, request, resumption, on_reset or _warn)) as jobs:
                async for job in jobs:
                    yield job
            raise UnavailableError("the stream ended")
        except HeadraceError as error:
            if not is_passing(error) or not await resumption.wait():
                raise


async def _read_stream(
    connection: GatewayConnection,
    request: gateway_pb2.WatchJobsRequest,
    resumption: Resumption,
    on_reset: Callable[[], object],
) -> AsyncGenerator[WatchedJob, None]:
    async with aclosing(resumption.read(connection.stub.WatchJobs, request)) as responses:
        async for response in responses:
            resumption.note_news()
            if response.reset:
                on_reset()
            for job in _jobs_of(response, request.resume_token):
                yield job
            request.resume_token = response.resume_token


def _jobs_of(response: gateway_pb2.WatchJobsResponse, last_token: str) -> Iterator[WatchedJob]:
    """Yields the jobs of a message. The token after the message comes with the last of them."""
    for place, watched in enumerate(response.jobs, start=1):
        token = response.resume_token if place == len(response.jobs) else last_token
        yield WatchedJob(to_job(watched.job), token, watched.left, watched.deleted)


def _warn() -> None:
    log.warning(
        "the watch of jobs may have missed changes: its token was too old, or the database was restored"
    )
