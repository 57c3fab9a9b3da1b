"""`run` returns the results of a job, and `map` its outputs in the order of items, in bounded memory."""

import asyncio
import contextlib
import inspect
import pickle
import signal
import sys
import threading
from typing import Unpack, get_type_hints

import grpc
import pytest

from headrace import (
    Client,
    DeadlineExceededError,
    InvalidArgumentError,
    ItemUnsuccessfulError,
    JobOptions,
    JobState,
    JobUnsuccessfulError,
    SubmitArguments,
    SyncClient,
    UnavailableError,
)
from headrace.gateway.v1 import gateway_pb2
from headrace.jobs.v1 import jobs_pb2

Cancel, Pages = gateway_pb2.CancelJobRequest, gateway_pb2.GetResultsRequest


class Work:
    """Ends a job of the fake gateway step by step: results in any order, then the end."""

    def __init__(self, gateway, make_job, make_result, count):
        self.gateway, self.count = gateway, count
        self._make_job, self._make_result = make_job, make_result
        self._seq = 1

    def record(self, *indexes, error=""):
        for index in indexes:
            result = self._make_result(index, f'{{"n":{index}}}', error=error)
            self.gateway.recorded.append((1, result))

    def event(self, state="RUNNING", **more):
        self._seq += 1
        done = len(self.gateway.recorded)
        return self._make_job(self._seq, state, total=self.count, succeeded=done, **more)


@pytest.fixture
def work(gateway, make_job, make_result):
    return Work(gateway, make_job, make_result, 5)


@pytest.fixture
def all_done(gateway, work):
    """A job whose items have all succeeded before it is watched."""
    work.record(*range(5))
    gateway.script(work.event("SUCCEEDED"))


def numbers(outputs):
    return [output["n"] for output in outputs]


async def collect(outputs):
    return [output async for output in outputs]


async def test_run_returns_the_results_in_the_order_of_items(client, gateway, work, capsys):
    work.record(3, 0, 4, 2, 1)
    gateway.script(work.event(), work.event("SUCCEEDED"))
    results = await client.run("noop", range(5), {"sleep_ms": 1}, max_parallelism=2)
    assert [result.item_index for result in results] == [0, 1, 2, 3, 4]
    (request,) = gateway.requests_of(gateway_pb2.SubmitJobRequest)
    assert (request.params, request.options.max_parallelism) == ('{"sleep_ms":1}', 2)
    assert capsys.readouterr().err.splitlines()[-1] == "SUCCEEDED 5/5"


async def test_run_without_progress_prints_nothing(client, all_done, capsys):
    assert len(await client.run("noop", range(5), progress=False)) == 5
    assert capsys.readouterr() == ("", "")


async def test_run_tells_the_id_of_the_job_once_it_is_stored(client, all_done, job_id):
    opened = []
    await client.run("noop", range(5), progress=False, on_open=opened.append, request_id="r")
    assert [job.job_id for job in opened] == [job_id]


SUBMISSION = {
    "key": lambda item: f"k{item}",
    "request_id": "r",
    "name": "nightly",
    "labels": {"team": "x"},
    "options": {"max_parallelism": 2, "budget_micros": 3},
    "budget_micros": 7,
}


@pytest.mark.parametrize("call", ["submit", "run", "map"])
async def test_calls_that_submit_send_all_arguments_of_submit(
    client, sync_client, gateway, work, all_done, call
):
    opened = []
    arguments = {**SUBMISSION, "on_open": opened.append}
    calls = {
        "submit": lambda hr: hr.submit("noop", range(5), **arguments),
        "run": lambda hr: hr.run("noop", range(5), progress=False, **arguments),
        "map": lambda hr: hr.map("noop", range(5), **arguments),
    }
    if call == "map":
        assert numbers(await collect(calls[call](client))) == [0, 1, 2, 3, 4]
    else:
        await calls[call](client)
    gateway.submitted.clear()
    gateway.script(work.event("SUCCEEDED"))
    waiting = calls[call]
    await asyncio.to_thread(lambda: list(waiting(sync_client)) if call == "map" else waiting(sync_client))
    requests = gateway.requests_of(gateway_pb2.SubmitJobRequest)
    assert len(requests) == len(opened) == 2
    for request in requests:
        assert list(request.item_keys) == ["k0", "k1", "k2", "k3", "k4"]
        assert (request.request_id, request.name, dict(request.labels)) == ("r", "nightly", {"team": "x"})
        assert (request.options.max_parallelism, request.options.budget_micros) == (2, 7)
        assert not request.options.HasField("max_failed_ratio")


def test_run_and_map_name_every_argument_of_submit():
    for client_class in (Client, SyncClient):
        arguments = inspect.signature(client_class.submit).parameters
        named = {name for name, each in arguments.items() if each.kind is inspect.Parameter.KEYWORD_ONLY}
        passed_on = set(SubmitArguments.__annotations__) - set(JobOptions.__annotations__)
        assert passed_on == named - {"timeout"}
        for call in (client_class.run, client_class.map):
            assert get_type_hints(call)["submission"] == Unpack[SubmitArguments]


async def test_run_keeps_the_result_of_a_failed_item(client, gateway, work):
    work.record(0, 1, 2, 4)
    work.record(3, error="RATE_LIMITED")
    gateway.script(work.event("SUCCEEDED"))
    results = await client.run("noop", range(5), progress=False)
    assert [result.error and result.error.reason for result in results] == [None] * 3 + ["RATE_LIMITED", None]


@pytest.mark.parametrize(
    ("state", "error", "reason"),
    [
        ("FAILED", {"reason": "TOO_MANY_FAILED_ITEMS", "message": "3 of 5"}, "TOO_MANY_FAILED_ITEMS"),
        ("EXPIRED", {"reason": "JOB_TIMED_OUT", "message": "late"}, "JOB_TIMED_OUT"),
        ("CANCELLED", None, "CANCELLED"),
    ],
)
async def test_a_job_that_did_not_succeed_raises_with_its_last_snapshot(
    client, gateway, work, job_id, state, error, reason
):
    for call in (
        lambda: client.run("noop", range(5), progress=False),
        lambda: collect(client.map("noop", [1])),
    ):
        gateway.script(work.event(state, error=error))
        with pytest.raises(JobUnsuccessfulError) as raised:
            await call()
        assert (raised.value.reason, raised.value.job.job_id) == (reason, job_id)
        assert raised.value.job.state is JobState(state)
        assert job_id in str(raised.value)
        gateway.submitted.clear()


async def test_leaving_run_ends_the_watch_and_leaves_the_job_running(client, gateway, work):
    gateway.script(work.event(), hold=True)
    with pytest.raises(DeadlineExceededError):
        await client.run("noop", range(5), timeout=0.5)
    await asyncio.wait_for(gateway.watch_cancelled.wait(), 10)
    assert not gateway.requests_of(Cancel)


async def test_a_wrong_item_ends_run_with_its_error(client, gateway, work):
    with pytest.raises(InvalidArgumentError, match=r"items\[1\]"):
        await client.run("noop", [1, object()])


async def test_map_yields_the_outputs_in_the_order_of_items(client, gateway, work):
    work.record(3, 0, 4, 2, 1)
    gateway.script(work.event(), work.event("SUCCEEDED"))
    assert numbers(await collect(client.map("noop", range(5)))) == [0, 1, 2, 3, 4]
    assert not gateway.requests_of(Cancel)


async def test_map_yields_each_output_as_soon_as_those_before_are_there(client, gateway, work):
    gate = asyncio.Event()
    work.record(0, 1, 4)
    gateway.script(gate=gate, end=grpc.StatusCode.UNAVAILABLE)
    outputs = client.map("noop", range(5))
    async with asyncio.timeout(20):
        assert numbers([await anext(outputs), await anext(outputs)]) == [0, 1]
        late = asyncio.create_task(collect(outputs))
        await asyncio.wait_for(gateway.held.wait(), 10)
        assert not late.done()
        work.record(2, 3)
        gateway.script(work.event("SUCCEEDED"))
        gate.set()
        assert numbers(await late) == [2, 3, 4]


async def test_map_waits_for_results_instead_of_asking_for_them(client, gateway, work):
    gateway.script(*(work.event() for _ in range(50)), hold=True)  # news without results
    outputs = client.map("noop", range(5))
    reading = asyncio.create_task(anext(outputs))
    await asyncio.wait_for(gateway.held.wait(), 10)
    await client.kinds()
    assert len(gateway.requests_of(Pages)) <= 1
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading


async def test_a_failed_item_raises_and_cancels_the_job(client, gateway, work, job_id):
    work.record(0, 2)
    work.record(1, error="RATE_LIMITED")
    gateway.script(work.event(), hold=True)
    outputs = client.map("noop", range(5))
    assert (await anext(outputs))["n"] == 0
    with pytest.raises(ItemUnsuccessfulError, match=r"RATE_LIMITED: items\[1\]: it went wrong") as raised:
        await anext(outputs)
    assert (raised.value.reason, raised.value.result.item_index) == ("RATE_LIMITED", 1)
    assert [request.job_id for request in gateway.requests_of(Cancel)] == [job_id]


async def test_failed_items_are_yielded_in_their_places_if_the_caller_wants_them(client, gateway, work):
    work.record(0, 2, 3)
    work.record(1, 4, error="RATE_LIMITED")
    gateway.script(work.event("SUCCEEDED"))
    outputs = await collect(client.map("noop", range(5), on_failure="yield"))
    assert [isinstance(output, ItemUnsuccessfulError) for output in outputs] == [
        False,
        True,
        False,
        False,
        True,
    ]
    assert outputs[4].result.item_index == 4
    (request,) = gateway.requests_of(gateway_pb2.SubmitJobRequest)
    assert request.options.max_failed_ratio == 1.0


async def test_the_callers_own_max_failed_ratio_counts(client, gateway, all_done):
    await collect(client.map("noop", range(5), on_failure="yield", max_failed_ratio=0.1))
    gateway.submitted.clear()
    gateway.script(jobs_pb2.Job(state="JOB_STATE_SUCCEEDED", seq=9))
    await collect(client.map("noop", range(5), on_failure="yield", options={"max_failed_ratio": 0.2}))
    ratios = [each.options.max_failed_ratio for each in gateway.requests_of(gateway_pb2.SubmitJobRequest)]
    assert ratios == [0.1, 0.2]


async def test_an_unknown_choice_is_refused(client, gateway):
    with pytest.raises(InvalidArgumentError, match="on_failure"):
        client.map("noop", [1], on_failure="ignore")


async def test_leaving_the_loop_cancels_the_job(client, gateway, work, job_id):
    work.record(0, 1)
    gateway.script(work.event(), hold=True)
    async with contextlib.aclosing(client.map("noop", range(5))) as outputs:
        async for _ in outputs:
            break
    assert [request.job_id for request in gateway.requests_of(Cancel)] == [job_id]


async def test_closing_the_client_cancels_the_jobs_of_maps_that_were_left(gateway, work, job_id):
    work.record(0, 1)
    gateway.script(work.event(), hold=True)
    async with Client(gateway.target) as client:
        async for _ in client.map("noop", range(5)):
            break
    assert [request.job_id for request in gateway.requests_of(Cancel)] == [job_id]


async def test_a_map_whose_time_is_over_cancels_its_job(client, gateway, work):
    gateway.script(work.event(), hold=True)
    with pytest.raises(DeadlineExceededError):
        await collect(client.map("noop", range(5), timeout=0.5))
    assert len(gateway.requests_of(Cancel)) == 1


async def test_a_map_that_is_never_read_submits_nothing(client, gateway):
    client.map("noop", [1])
    await client.kinds()
    assert not gateway.requests_of(gateway_pb2.SubmitJobRequest)


async def test_a_wrong_item_of_an_upload_raises_after_the_outputs_before_it(client, gateway, work):
    work.record(0)
    gateway.script(work.event("UPLOADING"), hold=True)

    async def items():
        yield 0
        await gateway.held.wait()
        yield object()

    outputs = client.map("noop", items())
    assert (await anext(outputs))["n"] == 0
    with pytest.raises(InvalidArgumentError, match=r"items\[1\]"):
        await anext(outputs)
    assert len(gateway.requests_of(Cancel)) == 1


async def test_a_submit_that_fails_is_raised_by_both(client, gateway):
    for call in (
        lambda: client.run("noop", [1], progress=False),
        lambda: collect(client.map("noop", [1])),
    ):
        gateway.failures = [UnavailableError("disk", reason="STORAGE_FAILED")]
        with pytest.raises(UnavailableError, match="disk"):
            await call()


async def test_the_waiting_client_runs_and_maps_too(sync_client, gateway, work, capsys):
    work.record(*range(5))
    threads = set()

    def items():
        for number in range(5):
            threads.add(threading.get_ident())
            yield number

    def calls():
        gateway.script(work.event("SUCCEEDED"))
        results = sync_client.run("noop", items())
        gateway.submitted.clear()
        gateway.script(work.event("SUCCEEDED"))
        return threading.get_ident(), results, list(sync_client.map("noop", items()))

    thread, results, outputs = await asyncio.to_thread(calls)
    assert [result.item_index for result in results] == [0, 1, 2, 3, 4]
    assert numbers(outputs) == [0, 1, 2, 3, 4]
    assert threads == {thread}
    assert capsys.readouterr().err == "PENDING 0/5\nSUCCEEDED 5/5\n"


async def test_leaving_the_loop_of_the_waiting_client_cancels_the_job(gateway, work, job_id):
    work.record(0, 1)
    gateway.script(work.event(), hold=True)

    def leave():
        with SyncClient(gateway.target) as client:
            for _ in client.map("noop", range(5)):
                break

    await asyncio.to_thread(leave)
    assert [request.job_id for request in gateway.requests_of(Cancel)] == [job_id]


async def test_closing_waits_for_the_cancellation_of_a_loop_that_was_left(client, gateway, work, job_id):
    work.record(0, 1)
    gateway.script(work.event(), hold=True)
    outputs = client.map("noop", range(5))
    await anext(outputs)
    leaving = asyncio.create_task(outputs.aclose())
    while client._maps._job_ids:  # until the cancellation is under way
        await asyncio.sleep(0)
    await client.close()
    await leaving
    assert [request.job_id for request in gateway.requests_of(Cancel)] == [job_id]


async def test_items_of_the_waiting_client_are_read_only_while_it_waits_for_outputs(gateway, work):
    gateway.script(work.event("UPLOADING"), hold=True)
    read = []

    def items():
        for number in range(1_000_000):
            read.append(number)
            yield "x" * 1000

    def first_output():
        with SyncClient(gateway.target) as client, contextlib.suppress(DeadlineExceededError):
            return next(client.map("noop", items(), timeout=3))

    work.record(0)
    assert (await asyncio.to_thread(first_output))["n"] == 0
    assert 0 < len(read) < 1_000_000


INTERRUPTED = """
import sys
from headrace import SyncClient

with SyncClient(sys.argv[1]) as hr:
    try:
        if sys.argv[2] == "run":
            hr.run("noop", range(5))
        else:
            for output in hr.map("noop", range(5)):
                print(output, flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(len(hr.kinds()), flush=True)
"""


@pytest.mark.parametrize(("name", "cancelled"), [("run", 0), ("map", 1)])
async def test_an_interrupt_leaves_the_waiting_client_usable(gateway, work, job_id, name, cancelled):
    gateway.script(work.event(), hold=True)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", INTERRUPTED, gateway.target, name, stdout=-1, stderr=-1
    )
    async with asyncio.timeout(30):
        await gateway.held.wait()
        if name == "run":
            assert await process.stderr.readline()  # the job is shown
        process.send_signal(signal.SIGINT)
        printed, complaints = await process.communicate()
    assert (process.returncode, printed) == (0, b"interrupted\n0\n")
    assert len(gateway.requests_of(Cancel)) == cancelled
    assert (f"job {job_id} continues" in complaints.decode()) == (name == "run")


def test_the_errors_can_be_pickled(make_job, make_result):
    from headrace._messages.conversion import to_job, to_result

    job_error = JobUnsuccessfulError(to_job(make_job(3, "CANCELLED")))
    item_error = ItemUnsuccessfulError("j", to_result(make_result(2, error="RATE_LIMITED")))
    for error in (job_error, item_error):
        copy = pickle.loads(pickle.dumps(error))
        assert (str(copy), vars(copy)) == (str(error), vars(error))
