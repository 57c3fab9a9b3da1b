"""Follows a job to its end, and shows each step."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from headrace._messages.request_building import build_request
from headrace._reading.watching import watch_steps
from headrace._transport.connection import GatewayConnection
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import Job, JobEvent

Show = Callable[[JobEvent | None], object]


def steps_of(connection: GatewayConnection, job: Job | str) -> AsyncGenerator[JobEvent | None, None]:
    """Returns the steps of a watch: events, and None whenever the stream broke.

    Args:
        connection: Connection to read from.
        job: A snapshot of the job, or its UUID.
    """
    job_id = job.job_id if isinstance(job, Job) else job
    return watch_steps(connection, build_request(gateway_pb2.WatchJobRequest, job_id=job_id))


async def follow_job(steps: AsyncGenerator[JobEvent | None, None], show: Show) -> Job:
    """Shows each step of a watch, and returns the terminal snapshot."""
    job: Job | None = None
    async with aclosing(steps) as read:
        async for step in read:
            show(step)
            job = job if step is None else step.job
    if job is None:  # a watch ends with a terminal snapshot, or raises
        raise RuntimeError("the watch ended without a snapshot")
    return job
