"""Reads of the store: repeated at another replica of the results service if one is gone."""

import asyncio

import pytest

import services.gateway.store
from headrace.errors import UnavailableError
from headrace.gateway.v1 import gateway_pb2
from services.shared.serving.draining import server_stopping
from tests.unit.gateway.fake_results import FakeResults


@pytest.fixture
async def two_replicas(results, serve, start_gateway):
    """A gateway with two replicas of one store. Returns it and the server of the second one."""
    second = FakeResults()
    second.__dict__ = results.__dict__
    servers = [await serve(results), await serve(second)]
    targets = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    gateway = await start_gateway(results_target=f"ipv4:{targets}")
    gateway.second_server = servers[1]
    return gateway


async def test_reads_do_not_fail_while_a_replica_goes(two_replicas, submit):
    job = await submit(two_replicas)
    request = gateway_pb2.GetJobRequest(job_id=job.job_id)

    async def read_often() -> None:
        for _ in range(100):
            await two_replicas.stub.GetJob(request, timeout=20)

    reading = asyncio.create_task(read_often())
    await two_replicas.stub.GetJob(request, timeout=20)
    await two_replicas.second_server.close()
    await reading


@pytest.mark.parametrize(
    ("failure", "attempt_count"),
    [(server_stopping(), 4), (UnavailableError("none", reason="STORE_UNAVAILABLE"), 1)],
    ids=["a replica that stops", "a database that is gone"],
)
async def test_a_read_is_repeated_where_another_replica_may_answer(
    gateway, results, submit, failure_of, failure, attempt_count
):
    job = await submit(gateway)
    results.failures["GetJobs"] = failure
    found = await failure_of(gateway.stub.GetJob(gateway_pb2.GetJobRequest(job_id=job.job_id)))
    assert found.reason == "STORE_UNAVAILABLE"
    assert results.calls["GetJobs"] == attempt_count


async def test_a_read_that_a_replica_never_answers_is_repeated(gateway, results, submit, monkeypatch):
    monkeypatch.setattr(services.gateway.store, "FIRST_READ_SECONDS", 0.2)
    job = await submit(gateway)
    results.gates["GetJobs"] = asyncio.Event()
    reading = asyncio.ensure_future(gateway.stub.GetJob(gateway_pb2.GetJobRequest(job_id=job.job_id)))
    await results.until(lambda: results.calls["GetJobs"] == 1)
    del results.gates["GetJobs"]
    assert (await asyncio.wait_for(reading, 10)).job.job_id == job.job_id


async def test_a_write_is_left_to_the_client_to_repeat(gateway, results, submit, failure_of):
    job = await submit(gateway)
    results.failures["CancelJob"] = server_stopping()
    await failure_of(gateway.stub.CancelJob(gateway_pb2.CancelJobRequest(job_id=job.job_id)))
    assert results.calls["CancelJob"] == 1
