import asyncio
import json

import grpc
import pytest

from headrace.gateway.v1.gateway_pb2 import SubmitJobRequest

MB = 1024 * 1024


async def test_a_submitted_job_is_stored_and_its_wake_up_published(gateway, results, submit):
    job = await submit(gateway)
    assert results.jobs[job.job_id] == job
    async with asyncio.timeout(10):
        while not gateway.broker.queues["headrace.default"].qsize():
            await asyncio.sleep(0.01)


async def test_a_single_submission_goes_to_the_store_at_once_and_alone(gateway, results, submit):
    await submit(gateway)
    await submit(gateway)
    assert [len(request.jobs) for request in results.requests["CreateJobs"]] == [1, 1]


async def test_submissions_gather_while_a_call_is_in_flight(gateway, results, submit):
    results.gates["CreateJobs"] = asyncio.Event()
    first = asyncio.create_task(submit(gateway))
    await results.until(lambda: results.calls["CreateJobs"] == 1)
    others = [asyncio.create_task(submit(gateway, item_count=count)) for count in range(1, 21)]
    async with asyncio.timeout(10):
        while gateway.app.creator.waiting_count < 20:
            await asyncio.sleep(0.01)
    results.gates.pop("CreateJobs").set()
    await first
    jobs = await asyncio.gather(*others)
    assert [len(request.jobs) for request in results.requests["CreateJobs"]] == [1, 20]
    assert [job.progress.total_count for job in jobs] == list(range(1, 21))


async def test_each_job_of_a_shared_call_gets_its_own_response(gateway, results, submit, failure_of):
    first = await submit(gateway, request_id="wanted")
    results.gates["CreateJobs"] = asyncio.Event()
    blocked = asyncio.create_task(submit(gateway))
    await results.until(lambda: results.calls["CreateJobs"] == 2)
    repeated = asyncio.create_task(submit(gateway, request_id="wanted"))
    reused = asyncio.create_task(failure_of(submit(gateway, item_count=9, request_id="wanted")))
    fresh = asyncio.create_task(submit(gateway))
    async with asyncio.timeout(10):
        while gateway.app.creator.waiting_count < 3:
            await asyncio.sleep(0.01)
    results.gates.pop("CreateJobs").set()
    assert (await repeated).job_id == first.job_id
    error = await reused
    assert error.code is grpc.StatusCode.ALREADY_EXISTS
    assert error.reason == "REQUEST_ID_REUSED"
    assert len({first.job_id, (await blocked).job_id, (await fresh).job_id}) == 3


async def test_the_same_request_id_of_two_tenants_names_two_jobs(gateway, submit):
    mine = await submit(gateway, request_id="wanted")
    theirs = await submit(gateway, request_id="wanted", tenant="theirs", item_count=9)
    assert mine.job_id != theirs.job_id


async def test_a_repeated_submission_returns_the_first_job_as_it_is_now(gateway, results, submit):
    first = await submit(gateway, request_id="wanted")
    results.advance(first.job_id, succeeded=2)
    again = await submit(gateway, request_id="wanted")
    assert (again.job_id, again.progress.succeeded_count) == (first.job_id, 2)


async def test_an_error_of_the_database_does_not_reach_the_client(gateway, results, submit, failure_of):
    results.refused_kinds.add("noop")
    error = await failure_of(submit(gateway))
    assert error.code is grpc.StatusCode.INTERNAL
    assert error.reason == "STORE_REFUSED"
    assert "secret" not in error.message


async def test_a_small_job_does_not_wait_for_a_large_one(gateway, results, submit):
    large = asyncio.create_task(submit(gateway, items=[json.dumps("x" * MB)[: MB - 2] + '"']))
    results.gates["CreateJobs"] = asyncio.Event()
    await results.until(lambda: results.calls["CreateJobs"] == 1)
    small = asyncio.create_task(submit(gateway))
    await results.until(lambda: results.calls["CreateJobs"] == 2)
    results.gates.pop("CreateJobs").set()
    await asyncio.gather(large, small)


async def test_the_bytes_that_wait_for_a_slow_store_are_limited(
    gateway, results, submit, failure_of, monkeypatch
):
    monkeypatch.setattr("services.gateway.creation.MAX_WAITING_BYTES", 2000)
    results.gates["CreateJobs"] = asyncio.Event()
    text = json.dumps("x" * 1000)
    first = asyncio.create_task(submit(gateway, items=[text]))
    await results.until(lambda: results.calls["CreateJobs"] == 1)
    error = await failure_of(submit(gateway, items=[text]))
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    results.gates.pop("CreateJobs").set()
    await first
    await submit(gateway, items=[text])


async def test_a_submission_whose_caller_has_gone_is_not_sent(gateway, results, submit):
    results.gates["CreateJobs"] = asyncio.Event()
    first = asyncio.create_task(submit(gateway))
    await results.until(lambda: results.calls["CreateJobs"] == 1)
    gone = gateway.stub.SubmitJob(SubmitJobRequest(kind="noop", items=["1"]))
    async with asyncio.timeout(10):
        while gateway.app.creator.waiting_count < 1:
            await asyncio.sleep(0.01)
        gone.cancel()
        while gateway.app.creator.waiting_count:
            await asyncio.sleep(0.01)
    results.gates.pop("CreateJobs").set()
    await first
    await submit(gateway)
    assert len(results.jobs) == 2


async def test_an_unreachable_broker_does_not_fail_a_submission(start_gateway, broken_broker, submit):
    gateway = await start_gateway(broker=broken_broker)
    assert (await submit(gateway)).job_id
    assert (await submit(gateway)).job_id
    async with asyncio.timeout(10):
        while not broken_broker.refused_count:
            await asyncio.sleep(0.01)


async def test_a_store_that_comes_back_is_used_again(gateway, results, submit, failure_of, unavailable):
    results.failures["CreateJobs"] = unavailable
    assert (await failure_of(submit(gateway))).reason == "STORE_UNAVAILABLE"
    del results.failures["CreateJobs"]
    assert (await submit(gateway)).job_id


async def test_every_violation_reaches_the_client(gateway, submit, failure_of):
    error = await failure_of(submit(gateway, items=["{"] * 5000, request_id="x" * 200))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in error.violations[:3]] == ["request_id", "items[0]", "items[1]"]
    assert error.violations[-1].description == "and 4,981 more"


async def test_a_request_with_very_many_long_violations_still_gets_its_error(gateway, submit, failure_of):
    params = json.dumps({f"{index:03}" + "é" * 500: 1 for index in range(100)})
    error = await failure_of(submit(gateway, kind="llm.classify", params=params))
    assert error.reason == "INVALID_FIELD"


async def test_an_item_of_2_mb_gets_a_clear_error(gateway, submit, failure_of):
    error = await failure_of(submit(gateway, items=["1", json.dumps("x" * 2 * MB)]))
    assert error.reason == "ITEM_TOO_LARGE"
    assert error.violations[0].field == "items[1]"


async def test_a_request_over_4_mb_is_refused(gateway, submit, failure_of):
    error = await failure_of(submit(gateway, items=[json.dumps("x" * 1000)] * 4500))
    assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("text", ['"\\u0000"', '"🙂 \\ud83d\\ude42"'])
async def test_nul_and_emoji_reach_the_store_unchanged(gateway, results, submit, text):
    await submit(gateway, items=[text])
    assert results.requests["CreateJobs"][-1].jobs[0].items[0] == text
