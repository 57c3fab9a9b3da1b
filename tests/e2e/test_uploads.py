"""Uploads between processes that are killed and started again: every item is stored once, in order."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import pytest

from headrace import JobState
from headrace.gateway.v1 import gateway_pb2

pytestmark = pytest.mark.timeout(120)

# Submits the job that stdin describes. Prints its id once it is known, then its number of items.
UPLOADER = """
import asyncio, json, sys
from headrace import Client

async def read(postings, stays_open):
    for posting in postings:
        yield posting
    if stays_open:
        await asyncio.Event().wait()

async def main(target, request_id, params, postings, stays_open):
    async with Client(target) as hr:
        job = await hr.submit(
            "llm.classify", read(postings, stays_open), params, request_id=request_id,
            on_open=lambda job: print(job.job_id, flush=True),
        )
        print(job.progress.total_count)

asyncio.run(main(**json.load(sys.stdin)))
"""


@asynccontextmanager
async def uploader(**what):
    """Runs a process that uploads, and kills it at the end if it is still running."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", UPLOADER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    process.stdin.write(json.dumps(what).encode())
    process.stdin.close()
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def messages_by_stream(sent):
    """Returns the gRPC messages in the DATA frames that a client sent, by HTTP/2 stream."""
    streams = {}
    offset = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    while offset < len(sent):
        length, kind = int.from_bytes(sent[offset : offset + 3], "big"), sent[offset + 3]
        stream_id = int.from_bytes(sent[offset + 5 : offset + 9], "big")
        offset += 9 + length
        if kind == 0:
            streams.setdefault(stream_id, bytearray()).extend(sent[offset - length : offset])
    return [list(split_messages(data)) for data in streams.values()]


def split_messages(data):
    while data:
        length = int.from_bytes(data[1:5], "big")
        yield bytes(data[5 : 5 + length])
        data = data[5 + length :]


def uploaded_batches(proxy):
    """Returns the batches of a client's only upload through a proxy, without its first request."""
    (sent,) = proxy.sent
    (messages,) = [messages for messages in messages_by_stream(sent) if len(messages) > 1]
    first, *batches = map(gateway_pb2.AppendItemsRequest.FromString, messages)
    assert first == gateway_pb2.AppendItemsRequest(job_id=first.job_id)
    return batches


async def until(client, job_id, is_so):
    async with asyncio.timeout(60):
        async for event in client.watch(job_id):
            if is_so(event):
                return event
    raise AssertionError("the job ended")


class Feed:
    """Items of an upload, released in parts."""

    def __init__(self, items):
        self._items = items
        self._released = asyncio.Condition()
        self._count = 0

    async def release(self, count):
        """Releases ``count`` more items."""
        async with self._released:
            self._count += count
            self._released.notify_all()

    async def __aiter__(self):
        for item in self._items:
            async with self._released:
                await self._released.wait_for(lambda: self._count > 0)
                self._count -= 1
            yield item


@pytest.fixture
def check_stored_once_and_in_order(two_gateways, open_stand_in, calls_of_postings, classify):
    """Checks that each posting had one call, and that labels are in the order of titles."""

    async def check(client, job_id, count, mark):
        async with asyncio.timeout(60):
            event = [event async for event in client.watch(job_id)][-1]
        assert event.state is JobState.SUCCEEDED
        assert event.progress.succeeded_count == count
        calls = await open_stand_in(two_gateways.stand_in_url).calls()
        assert calls_of_postings(calls, count, mark) == [1] * count
        labels = [result.output["label"] async for result in client.results(job_id)]
        assert labels == [classify["labels"][n % 4] for n in range(count)]

    return check


@pytest.fixture
async def start_upload(any_gateway, open_client, postings, classify):
    """Starts an upload of 900 postings. Returns client, feed, job and submit once 300 are stored."""
    tasks = []

    async def start(mark):
        hr, feed = open_client(any_gateway), Feed(postings(900, mark))
        opened = asyncio.get_running_loop().create_future()
        tasks.append(
            asyncio.create_task(hr.submit("llm.classify", feed, classify, on_open=opened.set_result))
        )
        await feed.release(300)
        async with asyncio.timeout(60):
            job = await opened
        await until(hr, job.job_id, lambda event: event.progress.total_count == 300)
        return hr, feed, job, tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_client_killed_in_mid_upload_continues_when_it_is_started_again_and_sends_nothing_twice(
    two_gateways, open_client, proxy, postings, classify, check_stored_once_and_in_order
):
    proxy.upstream_port = two_gateways.gateways[0].port
    proxied = f"127.0.0.1:{await proxy.start()}"
    hr = open_client(two_gateways.gateway_target)
    what = {"request_id": "killed-in-mid-upload", "params": classify}
    some, everything = postings(600, "killed-"), postings(1000, "killed-")
    async with uploader(
        target=two_gateways.gateway_target, postings=some, stays_open=True, **what
    ) as process:
        job_id = (await process.stdout.readline()).decode().strip()
        event = await until(
            hr, job_id, lambda event: event.progress.total_count == 600 and event.progress.succeeded_count
        )
        assert event.state is JobState.UPLOADING
        process.kill()
        await process.wait()
    assert (await hr.get(job_id)).state is JobState.UPLOADING
    async with uploader(target=proxied, postings=everything, stays_open=False, **what) as process:
        async with asyncio.timeout(60):
            said, _ = await process.communicate()
    assert said.decode().split() == [job_id, "1000"]
    batches = uploaded_batches(proxy)
    assert [json.loads(item) for batch in batches for item in batch.items] == everything[600:]
    assert batches[0].first_item_index == 600
    assert batches[-1].finish.total_count == 1000
    await check_stored_once_and_in_order(hr, job_id, 1000, "killed-")


async def test_an_upload_continues_at_the_other_gateway_when_its_own_is_killed(
    fail_over, start_upload, check_stored_once_and_in_order
):
    hr, feed, job, submit = await start_upload("moved-")
    await asyncio.to_thread(fail_over)
    await feed.release(600)
    async with asyncio.timeout(60):
        assert (await submit).progress.total_count == 900
    await check_stored_once_and_in_order(hr, job.job_id, 900, "moved-")


async def test_an_upload_outlives_results_killed_and_started_again(
    two_gateways, start_upload, check_stored_once_and_in_order
):
    hr, feed, job, submit = await start_upload("outlived-")
    await asyncio.to_thread(two_gateways.results.kill)
    await feed.release(300)
    await asyncio.to_thread(two_gateways.results.restart)
    await feed.release(300)
    async with asyncio.timeout(60):
        assert (await submit).progress.total_count == 900
    await check_stored_once_and_in_order(hr, job.job_id, 900, "outlived-")
