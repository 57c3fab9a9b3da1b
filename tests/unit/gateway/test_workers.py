"""Workers: their streams, cancels, and silent workers."""

import asyncio
import socket

import pytest
from structlog.testing import capture_logs

from headrace.gateway.v1.gateway_pb2 import CancelJobRequest, WatchJobRequest
from headrace.jobs.v1 import jobs_pb2
from services.gateway.port_probe import port_is_closed
from services.stubs.results.v1 import results_pb2

INCARNATION = "0190c4c3-0000-7000-8000-00000000beef"


@pytest.fixture
def closed_port():
    """A loopback port that refuses connections: it is bound, but not listening."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


async def test_a_worker_that_joins_later_is_found_by_a_sweep(gateway, results, start_worker):
    await results.until(lambda: results.calls["Sweep"])
    worker = await start_worker()
    await worker.until(lambda: worker.streams)


async def test_every_gateway_has_a_stream_to_every_worker(start_worker, start_gateway):
    workers = [await start_worker(), await start_worker()]
    for _ in range(2):
        await start_gateway()
    for worker in workers:
        await worker.until(lambda worker=worker: len(worker.streams) == 2)


async def test_the_stream_to_a_worker_that_is_gone_is_closed(start_worker, gateway, results):
    worker = await start_worker()
    await worker.until(lambda: worker.streams)
    results.live_workers.clear()
    await worker.until(lambda: not worker.streams)


async def test_the_streams_stay_open_while_the_store_is_unavailable(
    start_worker, start_gateway, results, unavailable
):
    worker = await start_worker()
    await start_gateway()
    await worker.until(lambda: worker.streams)
    results.failures["Sweep"] = unavailable
    swept = results.calls["Sweep"]
    await results.until(lambda: results.calls["Sweep"] > swept + 1)
    assert (len(worker.streams), worker.opened_count) == (1, 1)


async def test_progress_of_another_process_at_the_address_is_ignored(
    start_worker, start_gateway, results, submit, next_of
):
    worker = await start_worker()
    worker.incarnation = INCARNATION
    gateway = await start_gateway()
    job = await submit(gateway)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await next_of(call)
    await worker.until(lambda: worker.opened_count >= 2)  # refused, and opened again
    call.cancel()


async def test_workers_are_notified_of_a_cancel_without_waiting_for_them(
    start_worker, start_gateway, results, submit
):
    worker = await start_worker()
    gateway = await start_gateway()
    await worker.until(lambda: worker.streams)
    worker.cancel_gate.clear()
    job = await submit(gateway)
    results.workers_to_notify.append(
        results_pb2.WorkerToNotify(
            incarnation=worker.incarnation, address=worker.row.address, job_id=job.job_id
        )
    )
    response = await gateway.stub.CancelJob(CancelJobRequest(job_id=job.job_id), timeout=10)
    assert response.job.state == jobs_pb2.JOB_STATE_CANCELLED
    await worker.until(lambda: worker.cancelled)
    assert worker.cancelled[0].job_id == job.job_id
    assert worker.cancelled[0].incarnation == worker.incarnation
    worker.cancel_gate.set()


async def test_a_worker_that_no_sweep_has_named_yet_is_notified_too(
    start_worker, start_gateway, results, submit
):
    worker = await start_worker()
    results.live_workers.clear()
    gateway = await start_gateway()
    job = await submit(gateway)
    results.workers_to_notify.append(
        results_pb2.WorkerToNotify(
            incarnation=worker.incarnation, address=worker.row.address, job_id=job.job_id
        )
    )
    await gateway.stub.CancelJob(CancelJobRequest(job_id=job.job_id), timeout=10)
    await worker.until(lambda: worker.cancelled)


async def test_a_cancel_reaches_watchers_through_the_response_of_the_store(start_gateway, submit, next_of):
    gateway = await start_gateway()
    job = await submit(gateway)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await next_of(call)
    await gateway.stub.CancelJob(CancelJobRequest(job_id=job.job_id), timeout=10)
    assert (await next_of(call)).job.state == jobs_pb2.JOB_STATE_CANCELLED


async def test_cancelling_twice_returns_the_job_unchanged(gateway, submit):
    job = await submit(gateway)
    first = await gateway.stub.CancelJob(CancelJobRequest(job_id=job.job_id))
    assert await gateway.stub.CancelJob(CancelJobRequest(job_id=job.job_id)) == first


async def test_repairs_of_a_sweep_are_carried_out(start_gateway, results, submit, next_of):
    gateway = await start_gateway()
    job = await submit(gateway)
    call = gateway.stub.WatchJob(WatchJobRequest(job_id=job.job_id))
    await next_of(call)
    effects = results_pb2.Effects(changed_jobs=[results.advance(job.job_id, jobs_pb2.JOB_STATE_SUCCEEDED)])
    effects.tasks_to_publish.add(job_id=job.job_id, job_class=jobs_pb2.JOB_CLASS_BULK, count=2)
    results.sweep_effects = effects
    assert (await next_of(call)).job.state == jobs_pb2.JOB_STATE_SUCCEEDED
    async with asyncio.timeout(10):
        while gateway.broker.queues["headrace.bulk"].qsize() < 2:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("failure", [RuntimeError("x"), None], ids=["fault", "away"])
async def test_sweeps_continue_after_one_that_failed(start_gateway, results, unavailable, failure):
    results.failures["Sweep"] = failure or unavailable
    await start_gateway()
    await results.until(lambda: results.calls["Sweep"] == 2)


async def test_a_silent_worker_whose_port_is_closed_is_ended(start_gateway, results, closed_port):
    results.silent_workers.append(
        jobs_pb2.Worker(incarnation=INCARNATION, address=f"127.0.0.1:{closed_port}")
    )
    await start_gateway()
    await results.until(lambda: results.calls["EndWorker"])
    request = results.requests["EndWorker"][0]
    assert request.incarnation == INCARNATION
    assert request.cause == results_pb2.EndWorkerRequest.CAUSE_PORT_CLOSED


async def test_a_silent_worker_whose_port_is_open_is_not_ended(
    start_gateway, results, start_worker, closed_port
):
    worker = await start_worker()
    results.silent_workers += [
        worker.row,
        jobs_pb2.Worker(incarnation=INCARNATION, address=f"127.0.0.1:{closed_port}"),
    ]
    await start_gateway()
    await results.until(lambda: results.calls["EndWorker"] == 2)
    assert {request.incarnation for request in results.requests["EndWorker"]} == {INCARNATION}


async def test_a_silent_worker_whose_port_is_not_closed_gets_a_new_stream_once_per_silence(
    gateway, results, start_worker
):
    """Its connection may be dead. TCP would take minutes to find out."""
    worker = await start_worker()
    await worker.until(lambda: worker.opened_count == 1)
    with capture_logs() as logs:
        for opened_count in (2, 3):
            results.silent_workers.append(worker.row)
            await worker.until(lambda count=opened_count: worker.opened_count == count)
            await sweeps(results, 2)
            results.silent_workers.clear()
            await sweeps(results, 2)
    assert worker.opened_count == 3
    silences = [line for line in logs if line["event"] == "worker_silent"]
    assert [line["address"] for line in silences] == [worker.row.address] * 2


async def sweeps(results, count):
    """Waits for more sweeps."""
    wanted = results.calls["Sweep"] + count
    await results.until(lambda: results.calls["Sweep"] >= wanted)


async def test_a_name_is_closed_only_if_all_its_addresses_refuse(closed_port):
    assert await port_is_closed(f"localhost:{closed_port}")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert not await port_is_closed(f"localhost:{listener.getsockname()[1]}")


async def test_an_invalid_address_is_not_closed():
    assert not await port_is_closed("no-such-host.invalid:50061")
    assert not await port_is_closed("127.0.0.1:x")
    assert not await port_is_closed("")
