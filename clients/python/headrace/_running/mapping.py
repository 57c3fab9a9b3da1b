"""Maps items to outputs in their order, in bounded memory."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any, Literal

from headrace._messages.conversion import to_result
from headrace._messages.request_building import build_request
from headrace._progress.following import steps_of
from headrace._reading.result_reading import PAGE_SIZE
from headrace._running.job_news import JobNews
from headrace._running.running import Submit
from headrace._transport.connection import GatewayConnection
from headrace.errors import (
    FieldViolation,
    HeadraceError,
    InvalidArgumentError,
    ItemUnsuccessfulError,
    JobUnsuccessfulError,
)
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import ItemState, JobState, Result

OnFailure = Literal["raise", "yield"]

CANCEL_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0


class OpenMaps:
    """The jobs whose outputs are being read. Those that nobody reads any more are cancelled."""

    def __init__(self) -> None:
        self._job_ids: set[str] = set()
        self._calls: set[asyncio.Task[None]] = set()

    def add(self, job_id: str) -> None:
        """Adds a job that was stored."""
        self._job_ids.add(job_id)

    def discard(self, job_id: str) -> None:
        """Removes a job whose outputs were all read."""
        self._job_ids.discard(job_id)

    async def cancel(self, connection: GatewayConnection, job_id: str) -> None:
        """Cancels a job, unless that was done before. An unreachable gateway is given five seconds."""
        if job_id not in self._job_ids:
            return
        self._job_ids.discard(job_id)
        call = asyncio.create_task(_cancel_job(connection, job_id))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        await call

    async def cancel_all(self, connection: GatewayConnection) -> None:
        """Cancels all jobs, before their client closes. Waits for cancellations of this loop under way."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # in a child forked in a coroutine; its parent has the maps
            return
        under_way = [call for call in self._calls if call.get_loop() is loop]
        cancellations = [self.cancel(connection, job_id) for job_id in list(self._job_ids)]
        await asyncio.gather(*under_way, *cancellations, return_exceptions=True)


async def _cancel_job(connection: GatewayConnection, job_id: str) -> None:
    request = gateway_pb2.CancelJobRequest(job_id=job_id)
    with suppress(HeadraceError):
        await connection.call(connection.stub.CancelJob, request, CANCEL_SECONDS)


def checked_on_failure(on_failure: OnFailure) -> OnFailure:
    """Returns the choice of the caller.

    Raises:
        InvalidArgumentError: It is none of the two.
    """
    if on_failure in ("raise", "yield"):
        return on_failure
    violation = FieldViolation("on_failure", 'must be "raise" or "yield"')
    raise InvalidArgumentError(f"on_failure {violation.description}", violations=[violation])


async def map_items(
    connection: GatewayConnection, submit: Submit, on_failure: OnFailure, maps: OpenMaps
) -> AsyncGenerator[Any, None]:
    """Yields the output of each item, in the order of items. Holds one page of results.

    Args:
        connection: Connection to call on.
        submit: Function that submits the job, and calls the given one once it is stored.
        on_failure: What to do with a failed item.
        maps: Jobs of the client whose outputs are being read.

    Raises:
        ItemUnsuccessfulError: An item failed.
        JobUnsuccessfulError: The job did not succeed.
        HeadraceError: The job could not be submitted or read.
    """
    news = JobNews()
    news.submit(submit(news.open))
    job_id = ""
    try:
        while news.job is None:
            await news.wait()
        job_id = news.job.job_id
        maps.add(job_id)
        news.follow(steps_of(connection, job_id))
        async with aclosing(results_in_order(connection, job_id, news)) as results:
            async for result in results:
                if result.state is ItemState.SUCCEEDED:
                    yield result.output
                    continue
                error = ItemUnsuccessfulError(job_id, result)
                if on_failure == "raise":
                    raise error
                yield error
        maps.discard(job_id)
        if news.job.state is not JobState.SUCCEEDED:
            raise JobUnsuccessfulError(news.job)
    finally:
        await news.close()
        if job_id:
            await maps.cancel(connection, job_id)


async def results_in_order(
    connection: GatewayConnection, job_id: str, news: JobNews
) -> AsyncGenerator[Result, None]:
    """Yields results in the order of items until the job has ended, or an item has no result.

    Reads pages by index. At a gap it waits until the job has more results, and reads the page again.
    """
    request = build_request(gateway_pb2.GetResultsRequest, job_id=job_id, page_size=PAGE_SIZE)
    next_index, pause = 0, _FIRST_PAUSE_SECONDS
    while True:
        was_ended, done_count, begin = news.is_ended, news.done_count, next_index
        page = await connection.call(connection.stub.GetResults, request)
        has_gap = False
        for message in page.results:
            has_gap = message.item_index > next_index
            if has_gap:
                break
            if message.item_index == next_index:
                next_index += 1
                yield to_result(message)
        if not has_gap and page.next_page_token:
            request.page_token = page.next_page_token
        elif was_ended:
            return
        else:
            pause = _FIRST_PAUSE_SECONDS if next_index > begin else min(pause * 2, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)
            while news.done_count == done_count and not news.is_ended:
                await news.wait()
