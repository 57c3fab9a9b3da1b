"""SyncClient is Client for callers without an event loop: the same calls, responses and errors."""

import asyncio
import gc
import inspect
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import get_args, get_origin

import grpc
import pytest

from headrace import (
    CancelledError,
    Client,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    Results,
    SyncClient,
    SyncResults,
    UnavailableError,
)
from headrace._submitting.batch_reading import BatchReader
from headrace.jobs.v1 import jobs_pb2


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "headrace-client"]


def public_names(client_class: type) -> set[str]:
    return {name for name in vars(client_class) if not name.startswith("_")}


def waiting_form(annotation: object) -> object:
    """Returns the outcome of a SyncClient call that corresponds to this one of Client."""
    if get_origin(annotation) is Results:
        return SyncResults[get_args(annotation)[0]]
    if get_origin(annotation) is AsyncGenerator:
        return Generator[get_args(annotation)[0], None, None]
    return annotation


def test_both_clients_have_the_same_names():
    assert public_names(SyncClient) == public_names(Client)


@pytest.mark.parametrize("name", [*sorted(public_names(Client)), "__init__"])
def test_both_clients_have_the_same_signatures_and_say_what_they_do(name):
    theirs, ours = getattr(Client, name), getattr(SyncClient, name)
    wanted, found = inspect.signature(theirs), inspect.signature(ours)
    assert list(found.parameters.values()) == list(wanted.parameters.values())
    assert found.return_annotation == waiting_form(wanted.return_annotation)
    assert name == "__init__" or inspect.getdoc(ours)


async def test_each_unary_call_answers_as_that_of_client_does(client, sync_client, gateway, make_job, job_id):
    gateway.jobs = [make_job(3)]
    gateway.kinds = [jobs_pb2.Kind(name="noop", params_schema="{}")]
    gateway.workers = [jobs_pb2.Worker(incarnation="w1", live=True)]
    assert await asyncio.to_thread(sync_client.get, job_id) == await client.get(job_id)
    assert await asyncio.to_thread(sync_client.kinds) == await client.kinds()
    assert await asyncio.to_thread(sync_client.workers) == await client.workers()
    assert await asyncio.to_thread(sync_client.failures, job_id) == await client.failures(job_id)
    for name in ("pause", "resume", "cancel", "retry"):
        call = getattr(sync_client, name)
        assert await asyncio.to_thread(call, job_id) == await getattr(client, name)(job_id)


async def test_a_submit_sends_what_that_of_client_sends(client, sync_client, gateway):
    options = {"params": {"a": 1}, "request_id": "r", "job_class": "bulk", "max_parallelism": 2}
    await client.submit("noop", [1, "x"], **options)
    await asyncio.to_thread(sync_client.submit, "noop", [1, "x"], **options)
    first, second = gateway.requests
    assert first == second


async def test_a_generator_is_read_in_the_thread_that_waits(sync_client, gateway):
    readers = set()

    def items():
        for number in range(1000):
            readers.add(threading.get_ident())
            yield number

    def submit():
        sync_client.submit("noop", items())
        return threading.get_ident()

    assert await asyncio.to_thread(submit) in readers
    assert len(readers) == 1
    assert list(gateway.requests[0].items) == [str(number) for number in range(1000)]


async def test_an_async_generator_is_read_too(sync_client, gateway, job_id):
    async def items():
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    await asyncio.to_thread(sync_client.submit, "noop", items())
    assert gateway.uploads[job_id].items == ["0", "1", "2"]


async def test_what_reading_the_items_raises_comes_out_and_nothing_is_submitted(sync_client, gateway):
    def items():
        yield 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(sync_client.submit, "noop", items())
    assert gateway.requests == []


async def test_items_that_are_no_collection_are_refused_as_client_refuses_them(sync_client):
    for items in ("text", {"a": 1}, 7):
        with pytest.raises(InvalidArgumentError) as raised:
            await asyncio.to_thread(sync_client.submit, "noop", items)
        assert raised.value.violations[0].field == "items"


async def test_a_generator_is_uploaded_in_bounded_steps_and_read_in_the_thread_that_waits(
    sync_client, gateway, job_id
):
    ahead = []

    def items():
        for number in range(3000):
            upload = gateway.uploads.get(job_id)
            ahead.append(number - len(upload.items) if upload else number)
            yield "x" * 10_000

    opened = []
    job = await asyncio.to_thread(sync_client.submit, "noop", items(), on_open=opened.append)
    assert (job.progress.total_count, len(opened)) == (3000, 1)
    assert max(ahead) < 1000


async def test_what_reading_the_items_raises_in_an_upload_comes_out_and_the_upload_stays_open(
    sync_client, gateway, job_id
):
    def items():
        yield from ["x" * 10_000] * 1000
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(sync_client.submit, "noop", items())
    upload = gateway.uploads[job_id]
    assert (len(upload.items), upload.closed) == (1000, False)


async def test_errors_are_those_of_client(sync_client, job_id):
    with pytest.raises(NotFoundError):
        await asyncio.to_thread(sync_client.get, job_id)
    with pytest.raises(NotFoundError):
        await asyncio.to_thread(list, sync_client.watch(job_id))


async def test_jobs_of_all_pages_are_listed(sync_client, gateway, make_job):
    gateway.jobs = [make_job(job_id=f"job-{n}") for n in range(5)]
    jobs = await asyncio.to_thread(lambda: list(sync_client.list(kind="noop")))
    assert [job.job_id for job in jobs] == [f"job-{n}" for n in range(5)]


@pytest.mark.parametrize("page_size", [2, 100, 1000])
async def test_results_come_in_their_order_however_they_are_paged(
    sync_client, gateway, make_result, job_id, page_size
):
    gateway.page_size = page_size
    gateway.recorded = [(1, make_result(index)) for index in range(450)]
    results = await asyncio.to_thread(lambda: list(sync_client.results(job_id)))
    assert [result.item_index for result in results] == list(range(450))


async def test_followed_results_come_until_the_job_has_ended(
    sync_client, gateway, make_job, make_result, job_id
):
    gateway.recorded = [(2, make_result(0)), (4, make_result(1))]
    gateway.script_results(2, make_job(4, "SUCCEEDED"))
    results = await asyncio.to_thread(lambda: list(sync_client.results(job_id, follow=True)))
    assert [result.item_index for result in results] == [0, 1]


async def test_values_before_an_error_come_before_it():
    async def numbers():
        for number in range(5):
            yield number
        raise ZeroDivisionError

    reader = BatchReader(numbers(), batch_size=3)
    assert await reader.read() == [0, 1, 2]
    assert await reader.read() == [3, 4]
    with pytest.raises(ZeroDivisionError):
        await reader.read()
    await reader.close()


async def test_a_batch_holds_ready_values_and_does_not_wait_for_more():
    more, closed = asyncio.Event(), asyncio.Event()

    async def numbers():
        try:
            yield 1
            yield 2
            await more.wait()
            yield 3
        finally:
            closed.set()

    reader = BatchReader(numbers(), batch_size=100)
    assert await reader.read() == [1, 2]
    more.set()
    assert await reader.read() == [3]
    assert await reader.read() == []
    assert closed.is_set()


async def test_a_broken_watch_continues(sync_client, gateway, make_job, job_id):
    gateway.script(make_job(1), make_job(4), end=grpc.StatusCode.UNAVAILABLE)
    gateway.script(make_job(6, "SUCCEEDED"))
    events = await asyncio.to_thread(lambda: list(sync_client.watch(job_id)))
    assert [event.job.seq for event in events] == [1, 4, 6]


async def test_leaving_the_loop_ends_the_call_on_the_server(sync_client, gateway, make_job, job_id):
    gateway.script(make_job(1), make_job(2), hold=True)

    def read_one():
        for event in sync_client.watch(job_id):
            return event.job.seq

    assert await asyncio.to_thread(read_one) == 1
    async with asyncio.timeout(10):
        await gateway.watch_cancelled.wait()


async def test_several_threads_use_one_client_at_once(sync_client, gateway, make_job, job_id):
    gateway.jobs = [make_job(3)]

    def in_threads():
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(sync_client.get, [job_id] * 200))

    jobs = await asyncio.to_thread(in_threads)
    assert len(jobs) == 200
    assert len(threads()) == 1


async def test_closing_breaks_off_what_other_threads_wait_for(gateway, make_job, job_id):
    client = SyncClient(gateway.target)
    gateway.script(make_job(1), hold=True)
    watch = asyncio.create_task(asyncio.to_thread(lambda: list(client.watch(job_id))))
    async with asyncio.timeout(10):
        await gateway.held.wait()
        await asyncio.to_thread(client.close)
        with pytest.raises(CancelledError) as raised:
            await watch
    assert raised.value.reason == "CLIENT_CLOSED"
    assert threads() == []


async def test_closing_cancels_a_call_that_waits_for_its_next_attempt(free_target):
    client = SyncClient(free_target, timeout=600, connect_timeout=600)
    call = asyncio.create_task(asyncio.to_thread(client.kinds))
    async with asyncio.timeout(10):
        while not threads():
            await asyncio.sleep(0.001)
        await asyncio.to_thread(client.close)
        with pytest.raises(CancelledError):
            await call


async def test_a_closed_client_says_so_and_can_be_closed_again(gateway, job_id):
    def use_after_close():
        with SyncClient(gateway.target) as client:
            client.kinds()
        client.close()
        with pytest.raises(CancelledError) as raised:
            client.get(job_id)
        assert raised.value.reason == "CLIENT_CLOSED"
        with pytest.raises(CancelledError):
            next(client.watch(job_id))

    await asyncio.to_thread(use_after_close)


async def test_a_client_without_a_call_has_no_thread(gateway):
    with SyncClient(gateway.target):
        assert threads() == []


async def test_a_client_that_nobody_holds_any_more_ends_its_thread(gateway):
    def use_and_drop():
        client = SyncClient(gateway.target)
        client.kinds()
        (thread,) = threads()
        del client
        gc.collect()
        thread.join(10)
        return thread.is_alive()

    assert not await asyncio.to_thread(use_and_drop)


async def test_a_thread_that_runs_an_event_loop_is_refused(sync_client, job_id):
    refused = [
        lambda: sync_client.get(job_id),
        lambda: sync_client.submit("noop", (n for n in range(3))),
        lambda: next(sync_client.watch(job_id)),
    ]
    for call in refused:
        with pytest.raises(FailedPreconditionError) as raised:
            call()
        assert raised.value.reason == "EVENT_LOOP_RUNNING"


async def test_a_gateway_that_is_not_there_is_reported_in_time(free_target):
    def call():
        with SyncClient(free_target, connect_timeout=0.1) as client:
            client.kinds()

    with pytest.raises(UnavailableError):
        await asyncio.to_thread(call)


@pytest.fixture
def free_target(unused_tcp_port) -> str:
    return f"127.0.0.1:{unused_tcp_port}"


async def start(program: str, *args: str) -> asyncio.subprocess.Process:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
    return await asyncio.create_subprocess_exec(sys.executable, "-c", program, *args, **pipes)


INTERRUPTED = """
import sys
from headrace import SyncClient

with SyncClient(sys.argv[1]) as hr:
    try:
        for event in hr.watch(sys.argv[2]):
            print("seen", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    sys.stdin.readline()
    print(hr.get(sys.argv[2]).seq, flush=True)
"""


async def test_an_interrupt_ends_the_waiting_call_and_the_client_still_works(gateway, make_job, job_id):
    gateway.jobs = [make_job(3)]
    gateway.script(make_job(1), hold=True)
    process = await start(INTERRUPTED, gateway.target, job_id)
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"seen\n"
        await gateway.held.wait()
        process.send_signal(signal.SIGINT)
        assert await process.stdout.readline() == b"interrupted\n"
        await gateway.watch_cancelled.wait()  # before the process ends
        printed, complaints = await process.communicate(b"\n")
    assert (process.returncode, printed, complaints) == (0, b"3\n", b"")


FORKED = """
import os, sys
from headrace import FailedPreconditionError, SyncClient

hr = SyncClient(sys.argv[1])
hr.kinds()
child = os.fork()
if child == 0:
    try:
        hr.kinds()
    except FailedPreconditionError as error:
        hr.close()
        os._exit(7 if error.reason == "CLIENT_FORKED" else 1)
    os._exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(hr.kinds()))
hr.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
async def test_a_forked_process_must_make_its_own_client(gateway):
    process = await start(FORKED, gateway.target)
    async with asyncio.timeout(30):
        printed, _ = await process.communicate()
    assert (process.returncode, printed) == (0, b"7 0\n")


async def test_a_program_that_never_closes_its_client_ends_quietly(gateway):
    program = (
        "import sys; from headrace import SyncClient; hr = SyncClient(sys.argv[1]); print(len(hr.kinds()))"
    )
    process = await start(program, gateway.target)
    async with asyncio.timeout(30):
        printed, complaints = await process.communicate()
    assert (process.returncode, printed, complaints) == (0, b"0\n", b"")
