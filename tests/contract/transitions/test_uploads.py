"""Uploads: AppendItems, its batches and their leases."""

import asyncio

import grpc
import pytest

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2
from services.results.database.failures import ContentRefusedError
from services.results.rows import chunk_rows
from services.stubs.results.v1 import results_pb2 as pb

HOUR = 3_600


async def refused(call):
    """Returns the error of a call."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


def inputs_of(leases):
    return {item.item_index: item.input for lease in leases for item in lease.items}


async def test_an_opened_upload_is_uploading_and_asks_for_no_task(store):
    response = await store.create_all(store.new_job(0, upload_open=True))
    job = response.outcomes[0].job
    assert (job.state, job.seq, job.progress.total_count) == (jobs_pb2.JOB_STATE_UPLOADING, 1, 0)
    assert not response.effects.tasks_to_publish
    assert not (await (await store.worker()).lease()).leases


async def test_opening_an_upload_again_returns_the_job_as_it_is_now(store):
    new = store.new_job(0, upload_open=True)
    await store.create_all(new)
    appended = await store.append(new.job_id, 0, 3)
    new.job_id = store.new_job().job_id
    assert (await store.create_all(new)).outcomes[0].job == appended.job


async def test_a_leased_job_names_the_trace_it_was_submitted_in(store):
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    await store.create(trace_id=trace_id)
    await store.create()
    specs = (await (await store.worker()).lease()).jobs
    assert sorted(spec.trace_id for spec in specs) == ["", trace_id]


async def test_a_trace_id_that_cannot_be_stored_is_refused(store):
    response = await store.create_all(store.new_job(trace_id="\0"))
    assert response.outcomes[0].error.reason == "STORE_REFUSED"


async def test_appended_items_count_and_ask_for_tasks(store):
    job = await store.open_upload()
    response = await store.append(job.job_id, 0, 5)
    assert response.stored_count == response.job.progress.total_count == 5
    assert (response.job.state, response.job.seq) == (jobs_pb2.JOB_STATE_UPLOADING, 2)
    assert list(response.effects.changed_jobs) == [response.job]
    assert [(task.job_id, task.count) for task in response.effects.tasks_to_publish] == [(job.job_id, 2)]
    assert await store.get(job.job_id) == response.job


async def test_each_batch_asks_for_tasks_though_earlier_chunks_still_wait(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 5)
    response = await store.append(job.job_id, 5, 5)
    assert [task.job_id for task in response.effects.tasks_to_publish] == [job.job_id]


async def test_items_are_worked_on_while_the_upload_is_open(store):
    job = await store.open_upload()
    worker = await store.worker()
    await store.append(job.job_id, 0, 3)
    await worker.succeed(*await worker.lease_all())
    idle = await store.get(job.job_id)
    assert (idle.state, idle.progress.succeeded_count) == (jobs_pb2.JOB_STATE_UPLOADING, 3)
    await store.append(job.job_id, 3, 2)
    await worker.succeed(*await worker.lease_all())
    response = await store.finish(job.job_id, 5)
    assert response.job.state == jobs_pb2.JOB_STATE_SUCCEEDED
    assert response.job.progress.succeeded_count == 5
    assert list(response.effects.changed_jobs) == [response.job]
    assert not response.effects.tasks_to_publish


async def test_the_heartbeat_names_the_class_of_an_upload_with_work(store):
    job = await store.open_upload()
    worker = await store.worker()
    assert not (await worker.beat()).classes_with_work
    await store.append(job.job_id, 0, 1)
    assert list((await worker.beat()).classes_with_work) == [jobs_pb2.JOB_CLASS_DEFAULT]


async def test_appended_inputs_come_back_byte_for_byte_in_their_places(store):
    items = ['"nul \\u0000 end"', '"raw \0 nul"', '"\U0001f600"', '{ "a":1.0 }', '"\u2028 \\ud800"', "1e400"]
    job = await store.open_upload()
    for first in range(0, 6, 2):
        await store.append(job.job_id, first, items[first : first + 2])
    await store.append(job.job_id, 6, items, finish_total_count=12)
    leases = await (await store.worker()).lease_all()
    assert inputs_of(leases) == dict(enumerate(items * 2))


async def test_chunks_grow_with_the_number_of_stored_items(store):
    job = await store.open_upload()
    sizes = []
    for first, count in ((0, 1), (1, 31), (32, 128), (160, 1_440), (1_600, 150)):
        await store.append(job.job_id, first, count)
        leases = await (await store.worker()).lease_all()
        sizes.append([len(lease.items) for lease in leases])
    assert sizes == [[1], [2] * 15 + [1], [10] * 12 + [8], [100] * 14 + [40], [100, 50]]


async def test_capacity_is_respected_although_chunks_grew_since_the_first_batch(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 1)
    await store.append(job.job_id, 1, 1_599)
    worker = await store.worker()
    taken = [len((await worker.lease(capacity=150)).leases) for _ in range(3)]
    assert taken == [2, 1, 1]  # 1 and 100 items, then 100 each.


async def test_a_chunk_of_an_upload_ends_at_1_mb(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 3_200)
    large = '"' + "x" * 600_000 + '"'
    await store.append(job.job_id, 3_200, [large, "1", large, "2"])
    sizes = [len(lease.items) for lease in await (await store.worker()).lease_all()]
    assert sizes[-2:] == [2, 2]


async def test_a_batch_sent_twice_is_stored_once(store):
    job = await store.open_upload()
    first = await store.append(job.job_id, 0, 5)
    again = await store.append(job.job_id, 0, 5)
    assert (again.stored_count, again.job) == (5, first.job)
    assert again.effects == pb.Effects()
    assert sorted(inputs_of(await (await store.worker()).lease_all())) == list(range(5))


async def test_only_the_new_items_of_an_overlapping_batch_are_stored(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, ["0", "1", "2"])
    response = await store.append(job.job_id, 1, ['"other"', '"other"', "3", "4"])
    assert response.stored_count == 5
    leases = await (await store.worker()).lease_all()
    assert inputs_of(leases) == {index: str(index) for index in range(5)}


async def test_a_batch_after_a_gap_is_refused_with_the_stored_count(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 5)
    before = await store.get(job.job_id)
    error = await refused(store.append(job.job_id, 6, 2))
    assert (error.code, error.reason) == (grpc.StatusCode.ABORTED, "UPLOAD_OFFSET")
    assert error.metadata == {"stored_count": "5"}
    assert await store.get(job.job_id) == before


async def test_two_uploads_at_once_store_each_place_once(store):
    job = await store.open_upload()

    async def upload():
        first = 0
        while first < 50:
            try:
                response = await store.append(job.job_id, first, 7)
                first = response.stored_count
            except grpc.aio.AioRpcError as error:
                first = int(from_rpc_error(error).metadata["stored_count"])

    await asyncio.gather(*(upload() for _ in range(4)))
    stored = (await store.append(job.job_id)).stored_count
    assert 50 <= stored < 57
    leases = await (await store.worker()).lease_all()
    assert inputs_of(leases) == {index: str(index) for index in range(stored)}


async def test_asking_for_the_stored_count_changes_nothing(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 4)
    before = await store.get(job.job_id)
    response = await store.append(job.job_id, 9)
    assert (response.stored_count, response.job) == (4, before)
    assert response.effects == pb.Effects()


async def test_finishing_closes_the_upload_with_unfinished_items(store):
    job = await store.open_upload()
    worker = await store.worker()
    response = await store.append(job.job_id, 0, 40, finish_total_count=40)
    assert (response.stored_count, response.job.state) == (40, jobs_pb2.JOB_STATE_PENDING)
    await worker.succeed(*await worker.lease_all())
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_SUCCEEDED


async def test_finishing_without_items_ends_the_job(store):
    job = await store.open_upload()
    response = await store.finish(job.job_id, 0)
    assert response.job.state == jobs_pb2.JOB_STATE_SUCCEEDED
    assert response.job.HasField("finish_time")
    assert (await store.finish(job.job_id, 0)).job == response.job


async def test_finishing_with_more_than_is_stored_is_refused_with_the_stored_count(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 2)
    for call in (store.finish(job.job_id, 3), store.append(job.job_id, 2, 1, finish_total_count=4)):
        error = await refused(call)
        assert (error.reason, error.metadata) == ("UPLOAD_OFFSET", {"stored_count": "2"})
    assert (await store.append(job.job_id)).stored_count == 2


async def test_finishing_with_less_than_is_stored_is_refused(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 3)
    error = await refused(store.append(job.job_id, 3, 1, finish_total_count=3))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "UPLOAD_TOTAL")
    assert error.metadata == {"stored_count": "3"}
    assert (await store.append(job.job_id)).stored_count == 3


async def closed_upload(store):
    job = await store.open_upload()
    return (await store.append(job.job_id, 0, 3, finish_total_count=3)).job


@pytest.mark.parametrize("make", [closed_upload, lambda store: store.create(items=3)])
async def test_a_closed_upload_and_a_job_without_one_accept_only_stored_items(store, make):
    job = await make(store)
    for response in (
        await store.append(job.job_id, 0, 3),
        await store.append(job.job_id, 1, 2, finish_total_count=3),
        await store.finish(job.job_id, 3),
        await store.append(job.job_id),
    ):
        assert (response.stored_count, response.job) == (3, job)
        assert response.effects == pb.Effects()
    for total in (2, 4):
        assert (await refused(store.finish(job.job_id, total))).reason == "UPLOAD_TOTAL"
    for first in (2, 3, 9):
        error = await refused(store.append(job.job_id, first, 2))
        assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "UPLOAD_CLOSED")
        assert error.metadata == {"stored_count": "3"}


async def test_a_repeated_finish_succeeds_after_the_end_of_the_job(store):
    job = await closed_upload(store)
    ended = (await store.cancel(job.job_id)).job
    response = await store.append(job.job_id, 0, 3, finish_total_count=3)
    assert (response.stored_count, response.job) == (3, ended)
    assert (await refused(store.append(job.job_id, 3, 1))).reason == "UPLOAD_CLOSED"


async def test_a_scheduled_upload_accepts_items_before_its_time(store):
    new = store.new_job(0, upload_open=True)
    new.options.schedule_time.FromMicroseconds(store.clock.local_now() + 60 * 1_000_000)
    assert (await store.create_all(new)).outcomes[0].job.state == jobs_pb2.JOB_STATE_SCHEDULED
    response = await store.append(new.job_id, 0, 3)
    assert response.job.state == jobs_pb2.JOB_STATE_SCHEDULED
    assert not response.effects.tasks_to_publish
    assert not (await (await store.worker()).lease()).leases
    store.advance(61)
    effects = (await store.sweep()).effects
    assert [each.state for each in effects.changed_jobs] == [jobs_pb2.JOB_STATE_UPLOADING]
    assert [task.job_id for task in effects.tasks_to_publish] == [new.job_id]
    assert len(await (await store.worker()).lease_all()) == 3


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"pause_reason": jobs_pb2.PAUSE_REASON_USER}, jobs_pb2.JOB_STATE_PAUSED),
        ({"waiting_parent_count": 1}, jobs_pb2.JOB_STATE_BLOCKED),
    ],
)
async def test_an_upload_that_may_not_run_still_accepts_items_and_its_end(store, facts, state):
    job = await store.open_upload()
    await store.change(job.job_id, state=state, **facts)
    response = await store.append(job.job_id, 0, 3)
    assert (response.stored_count, response.job.state) == (3, state)
    assert not response.effects.tasks_to_publish
    assert (await store.finish(job.job_id, 3)).job.state == state
    assert not (await (await store.worker()).lease()).leases


async def test_appending_to_another_tenants_job_is_not_found(store):
    job = await store.open_upload(tenant="a")
    for job_id in (job.job_id, store.new_job().job_id, "no uuid"):
        error = await refused(store.append(job_id, 0, 1, tenant="b"))
        assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")


async def test_items_that_the_database_refuses_are_an_error_and_nothing_is_stored(store, monkeypatch):
    job = await store.open_upload()

    def refuse(*_):
        raise ContentRefusedError("DataError 22000")

    monkeypatch.setattr(chunk_rows, "insert_blocks", refuse)
    error = await refused(store.append(job.job_id, 0, ['"secret"']))
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "STORE_REFUSED")
    assert "secret" not in error.message
    assert (await store.append(job.job_id)).stored_count == 0
