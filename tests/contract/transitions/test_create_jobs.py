import asyncio

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2 as pb


async def test_a_created_job_is_pending_and_asks_for_one_task(store):
    new = store.new_job(items=1)
    response = await store.create_all(new)
    job = response.outcomes[0].job
    assert job.state == jobs_pb2.JOB_STATE_PENDING
    assert (job.job_id, job.seq, job.progress.total_count) == (new.job_id, 1, 1)
    assert job.HasField("create_time")
    assert not job.HasField("start_time")
    task = pb.TaskToPublish(job_id=new.job_id, job_class=jobs_pb2.JOB_CLASS_DEFAULT, count=1)
    assert list(response.effects.tasks_to_publish) == [task]


async def test_a_large_job_asks_for_two_tasks_a_live_worker(store):
    for _ in range(3):
        await store.worker()
    response = await store.create_all(store.new_job(items=1_600))
    assert response.effects.tasks_to_publish[0].count == 6


async def test_the_same_request_id_returns_the_first_job(store):
    first = store.new_job(request_id="once")
    second = store.new_job(request_id="once")
    await store.create_all(first)
    response = await store.create_all(second)
    assert response.outcomes[0].job.job_id == first.job_id
    assert not response.effects.tasks_to_publish


async def test_the_same_request_id_twice_in_one_call_makes_one_job(store):
    first, second = store.new_job(request_id="once"), store.new_job(request_id="once")
    response = await store.create_all(first, second)
    assert [outcome.job.job_id for outcome in response.outcomes] == [first.job_id] * 2


async def test_a_request_id_belongs_to_its_tenant(store):
    first = store.new_job(request_id="once", tenant="a")
    second = store.new_job(request_id="once", tenant="b")
    response = await store.create_all(first, second)
    assert [outcome.job.job_id for outcome in response.outcomes] == [first.job_id, second.job_id]


async def test_a_request_id_with_other_content_is_refused_and_the_rest_is_stored(store):
    await store.create_all(store.new_job(request_id="once"))
    other = store.new_job()
    response = await store.create_all(store.new_job(request_id="once", content_hash=b"x" * 32), other)
    assert response.outcomes[0].error.reason == "REQUEST_ID_REUSED"
    assert response.outcomes[1].job.job_id == other.job_id


async def test_creates_with_one_request_id_at_the_same_time_give_one_job(store):
    calls = [store.create_all(store.new_job(request_id="once"), store.new_job()) for _ in range(8)]
    responses = await asyncio.gather(*calls)
    assert len({response.outcomes[0].job.job_id for response in responses}) == 1
    assert sum(len(response.effects.tasks_to_publish) for response in responses) == 1 + 8


async def test_a_job_that_the_store_refuses_does_not_harm_its_neighbours(store):
    good = store.new_job()
    response = await store.create_all(store.new_job(params='{"a": "\0"}'), good)
    assert response.outcomes[0].error.reason == "STORE_REFUSED"
    assert response.outcomes[1].job.job_id == good.job_id


async def test_inputs_and_params_come_back_byte_for_byte(store):
    items = ['"nul \\u0000 end"', '"\U0001f600"', '{ "a":1.0 }', '"\u2028 \\ud800"', "1e400"]
    params = '{"template" : "\U0001f600 {title}", "labels":[ ]}'
    await store.create(items, params=params)
    response = await (await store.worker()).lease()
    assert [item.input for lease in response.leases for item in lease.items] == items
    assert response.jobs[0].params == params


async def test_a_scheduled_job_waits_for_its_time_and_then_asks_for_a_task(store):
    new = store.new_job()
    new.options.schedule_time.FromMicroseconds(store.clock.local_now() + 3600 * 1_000_000)
    response = await store.create_all(new)
    assert response.outcomes[0].job.state == jobs_pb2.JOB_STATE_SCHEDULED
    assert not response.effects.tasks_to_publish
    assert not (await (await store.worker()).lease()).leases
    store.advance(3601)
    effects = (await store.sweep()).effects
    assert [job.state for job in effects.changed_jobs] == [jobs_pb2.JOB_STATE_PENDING]
    assert effects.changed_jobs[0].seq == 2
    assert [task.job_id for task in effects.tasks_to_publish] == [new.job_id]
    assert len((await (await store.worker()).lease()).leases) == 1
