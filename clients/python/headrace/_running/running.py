"""Runs a job from its items to its results."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from headrace._progress.following import Show, follow_job, steps_of
from headrace._reading.result_query import ResultQuery
from headrace._transport.connection import GatewayConnection
from headrace.errors import JobUnsuccessfulError
from headrace.resources import Job, JobEvent, JobState, Result

Submit = Callable[[Callable[[Job], object]], Coroutine[Any, Any, Job]]


async def run_job(connection: GatewayConnection, submit: Submit, show: Show) -> Job:
    """Submits a job, shows it from the moment it is stored, and returns its terminal snapshot.

    Args:
        connection: Connection to watch on.
        submit: Function that submits the job, and calls the given one once it is stored.
        show: Function that shows a step of the watch.

    Raises:
        JobUnsuccessfulError: The job did not succeed.
        HeadraceError: The job could not be submitted or watched.
    """
    following: list[asyncio.Task[Job]] = []

    def begin(job: Job) -> None:
        show(JobEvent(job=job, resume_token=""))
        following.append(asyncio.create_task(follow_job(steps_of(connection, job), show)))

    try:
        await submit(begin)
        job = await following[0]
    finally:
        for task in following:
            task.cancel()
            await asyncio.wait([task])
    if job.state is not JobState.SUCCEEDED:
        raise JobUnsuccessfulError(job)
    return job


async def run_to_results(connection: GatewayConnection, submit: Submit, show: Show) -> Sequence[Result]:
    """Runs a job, and returns its results ordered by item_index. Args and Raises as for ``run_job``."""
    job = await run_job(connection, submit, show)
    query = ResultQuery(
        connection=connection, job_id=job.job_id, follow=False, item_state=0, include_inputs=False
    )
    return [result async for result in query.results()]


def both(first: Callable[[Job], object], second: Callable[[Job], object] | None) -> Callable[[Job], object]:
    """Returns a function that calls both functions with a job."""

    def call(job: Job) -> None:
        first(job)
        if second is not None:
            second(job)

    return call
