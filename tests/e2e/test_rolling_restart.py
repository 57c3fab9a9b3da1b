"""Gateways and results restarted under load: callers get no error worse than UNAVAILABLE."""

import asyncio
import signal
from collections import Counter

import grpc
import pytest

from headrace import JobState
from headrace.errors import from_rpc_error
from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc

pytestmark = pytest.mark.timeout(180)


class RawCaller:
    """Calls one gateway without retries, and counts the code of each call."""

    def __init__(self, target: str) -> None:
        self.channel = grpc.aio.insecure_channel(target, [("grpc.max_reconnect_backoff_ms", 200)])
        self.stub = gateway_pb2_grpc.GatewayServiceStub(self.channel)
        self.codes: Counter[str] = Counter()

    async def note(self, call) -> None:
        try:
            await call
        except grpc.aio.AioRpcError as error:
            self.codes[error.code().name] += 1
            await asyncio.sleep(0.005)
        else:
            self.codes["OK"] += 1

    async def call_on(self, job_id: str, until: asyncio.Event) -> None:
        submit = gateway_pb2.SubmitJobRequest(kind="noop", items=["1"])
        while not until.is_set():
            await self.note(self.stub.SubmitJob(submit, timeout=30))
            # With ten in parallel, most are being sent or were just received when the gateway stops.
            get = gateway_pb2.GetJobRequest(job_id=job_id)
            await asyncio.gather(*(self.note(self.stub.GetJob(get, timeout=30)) for _ in range(10)))


@pytest.fixture
async def call_raw():
    callers = []

    def start(target):
        callers.append(RawCaller(target))
        return callers[-1]

    yield start
    for caller in callers:
        await caller.channel.close(None)


@pytest.fixture
async def in_background():
    """Starts coroutines in the background. Those still running are cancelled after the test."""
    tasks = []

    def start(coroutine):
        tasks.append(asyncio.create_task(coroutine))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def stop_and_start(service):
    """Stops a service with SIGTERM, starts it again, and returns its exit code."""
    service.process.send(signal.SIGTERM)
    assert service.process.wait_ended(20), "it did not end on its own"
    service.start()
    service.wait_ready()
    return service.process.exit_code


async def end_of(stream):
    """Reads a stream to its end and returns the error at its end."""
    try:
        async with asyncio.timeout(20):
            while await stream.read() is not grpc.aio.EOF:
                pass
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    raise AssertionError("the stream ended without an error")


@pytest.fixture
async def open_job(any_gateway, open_client):
    """A job that cannot end, because its upload stays open."""

    async def items():
        yield 1
        raise ConnectionError

    opened = []
    client = open_client(any_gateway)
    with pytest.raises(ConnectionError):
        await client.submit("noop", items(), on_open=opened.append)
    yield opened[0]
    await client.cancel(opened[0].job_id)


async def until_each_succeeded(callers):
    """Waits until each caller has had another successful call."""
    before = [caller.codes["OK"] for caller in callers]
    async with asyncio.timeout(30):
        while any(caller.codes["OK"] <= count for caller, count in zip(callers, before, strict=True)):
            await asyncio.sleep(0.01)


async def use(client, until):
    """Submits small jobs, watches each to its end, and returns counts of their final states."""
    ends = Counter()
    while not until.is_set():
        job = await client.submit("noop", [1, 2, 3], {"sleep_ms": 20})
        last = await watch(client, job.job_id)
        assert len([result async for result in client.results(job.job_id)]) == 3
        ends[last.state] += 1
    return ends


async def upload(client, until):
    """Uploads items one by one until the event is set. Returns the job and the number of items."""
    count = 0

    async def numbers():
        nonlocal count
        while not until.is_set():
            yield count
            count += 1
            await asyncio.sleep(0.002)

    job = await client.submit("noop", numbers())
    return job, count


async def watch(client, job_id):
    seqs = []
    async for event in client.watch(job_id):
        seqs.append(event.job.seq)
    assert seqs == sorted(seqs)
    return event


async def follow(client, job_id):
    return [result.item_index async for result in client.results(job_id, follow=True)]


async def open_streams(stub, job_id):
    """Opens one stream of each kind and reads the first response of each."""
    streams = [
        stub.WatchJob(gateway_pb2.WatchJobRequest(job_id=job_id)),
        stub.StreamResults(gateway_pb2.StreamResultsRequest(job_id=job_id)),
        stub.AppendItems(),
    ]
    await streams[2].write(gateway_pb2.AppendItemsRequest(job_id=job_id))
    for stream in streams:
        await stream.read()
    return streams


async def roll(stack, callers, job_id, in_background):
    """Restarts gateways and results one by one. Returns the errors that ended open streams."""
    ends = []
    for gateway, caller in zip(stack.gateways, callers, strict=True):
        ends += [in_background(end_of(stream)) for stream in await open_streams(caller.stub, job_id)]
        assert await asyncio.to_thread(stop_and_start, gateway) == 0
        await until_each_succeeded(callers)
    assert await asyncio.to_thread(stop_and_start, stack.results) == 0
    await until_each_succeeded(callers)
    return await asyncio.gather(*ends)


async def test_a_rolling_restart_is_unavailable_at_worst_to_callers_and_unseen_by_clients(
    two_gateways, any_gateway, open_client, call_raw, in_background, open_job
):
    done, hr = asyncio.Event(), open_client(any_gateway)
    long = await hr.submit("noop", [{}] * 3000, {"sleep_ms": 500})
    users = [in_background(use(open_client(any_gateway), done)) for _ in range(3)]
    uploading = in_background(upload(open_client(any_gateway), done))
    watching = [in_background(watch(open_client(any_gateway), long.job_id)) for _ in range(2)]
    following = in_background(follow(open_client(any_gateway), long.job_id))
    callers = [call_raw(gateway.target) for gateway in two_gateways.gateways]
    calling = [in_background(caller.call_on(open_job.job_id, done)) for caller in callers]
    await until_each_succeeded(callers)
    for error in await roll(two_gateways, callers, open_job.job_id, in_background):
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "GATEWAY_STOPPING")
    done.set()
    async with asyncio.timeout(60):
        await asyncio.gather(*calling)
        for caller in callers:
            assert set(caller.codes) == {"OK", "UNAVAILABLE"}
        for ends in await asyncio.gather(*users):
            assert set(ends) == {JobState.SUCCEEDED}
        job, count = await uploading
        assert (await watch(hr, job.job_id)).progress.succeeded_count == count > 0
        for event in await asyncio.gather(*watching):
            assert (event.state, event.progress.succeeded_count) == (JobState.SUCCEEDED, 3000)
        assert sorted(await following) == list(range(3000))
