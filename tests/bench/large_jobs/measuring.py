"""Measures one large job: its upload, its run, and reads of its results."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from headrace import Client
from headrace.gateway.v1 import gateway_pb2
from headrace.resources import Job

_PAGE_SIZE = 1000
_PARTS = 10


@dataclass
class Figures:
    """Seconds and rates of one large job.

    Attributes:
        upload_seconds: Seconds until the last item was stored and acknowledged.
        job_seconds: Seconds from the submit to the terminal snapshot.
        part_rates: Items finished per second, in each tenth of the job.
        get_ms: Time of each GetJob while the job ran, in milliseconds.
        stream_seconds: Seconds to read all results in the order of recording.
        page_ms: Time of each page of 1,000 results by index, in milliseconds.
        list_ms: Time of each page of jobs, in milliseconds.
    """

    upload_seconds: float = 0.0
    job_seconds: float = 0.0
    part_rates: list[float] = field(default_factory=list)
    get_ms: list[float] = field(default_factory=list)
    stream_seconds: float = 0.0
    page_ms: list[float] = field(default_factory=list)
    list_ms: list[float] = field(default_factory=list)


async def run_job(
    client: Client, kind: str, params: Any, items: Iterator[Any], count: int
) -> tuple[Job, Figures]:
    """Submits a job, watches it to its end, and reads all its results.

    Raises:
        RuntimeError: It did not succeed, or a result was missing or came twice.
    """
    figures = Figures()
    begin = time.perf_counter()
    opened: asyncio.Future[Job] = asyncio.get_running_loop().create_future()

    async def source() -> AsyncIterator[Any]:
        for item in islice(items, count):
            yield item

    async def upload() -> None:
        await client.submit(kind, source(), params, max_failed_ratio=1.0, on_open=opened.set_result)
        figures.upload_seconds = time.perf_counter() - begin

    async with asyncio.TaskGroup() as group:
        group.create_task(upload())
        job_id = (await opened).job_id
        asking = group.create_task(_ask_for(client, job_id, figures))
        job = await _watch(client, job_id, count, figures, begin)
        asking.cancel()
    figures.job_seconds = time.perf_counter() - begin
    if not job.state.name == "SUCCEEDED" or job.progress.total_count != count:
        raise RuntimeError(f"the job ended as {job.state.name} with {job.progress}")
    await _stream_all(client, job, figures)
    await _page_all(client, job, figures)
    await _list_jobs(client, figures)
    return job, figures


async def _ask_for(client: Client, job_id: str, figures: Figures) -> None:
    while True:
        begin = time.perf_counter()
        await client.get(job_id)
        figures.get_ms.append(1000 * (time.perf_counter() - begin))
        await asyncio.sleep(0.5)


async def _watch(client: Client, job_id: str, count: int, figures: Figures, begin: float) -> Job:
    part_begin, part_count = begin, 0
    async for event in client.watch(job_id):
        done = event.progress.succeeded_count + event.progress.failed_count
        if done - part_count >= count / _PARTS:
            now = time.perf_counter()
            figures.part_rates.append((done - part_count) / (now - part_begin))
            part_begin, part_count = now, done
    return event.job


async def _stream_all(client: Client, job: Job, figures: Figures) -> None:
    begin = time.perf_counter()
    seen = bytearray(job.progress.total_count)
    async for result in client.results(job.job_id, follow=True):
        if seen[result.item_index]:
            raise RuntimeError(f"item {result.item_index} came twice")
        seen[result.item_index] = 1
    figures.stream_seconds = time.perf_counter() - begin
    if not all(seen):
        raise RuntimeError(f"{seen.count(0)} results are missing")


async def _page_all(client: Client, job: Job, figures: Figures) -> None:
    connection = client._connection  # to measure each page alone
    request = gateway_pb2.GetResultsRequest(job_id=job.job_id, page_size=_PAGE_SIZE)
    while True:
        begin = time.perf_counter()
        page = await connection.call(connection.stub.GetResults, request)
        figures.page_ms.append(1000 * (time.perf_counter() - begin))
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


async def _list_jobs(client: Client, figures: Figures) -> None:
    connection = client._connection
    for _ in range(20):
        begin = time.perf_counter()
        await connection.call(connection.stub.ListJobs, gateway_pb2.ListJobsRequest())
        figures.list_ms.append(1000 * (time.perf_counter() - begin))


def spread(values: list[float]) -> str:
    """Returns the median and the maximum, or a dash if there are no values."""
    return f"{statistics.median(values):.1f} / {max(values):.1f}" if values else "-"
