"""ListJobEvents: what happened to a job, and who did it."""

import grpc
import pytest
from sqlalchemy import text

from headrace.jobs.v1 import jobs_pb2
from services.results.rules import history
from services.stubs.results.v1 import results_pb2 as pb

CHANGES = {number: name.removeprefix("JOB_CHANGE_") for name, number in jobs_pb2.JobChange.items()}


async def changes(store, job_id):
    return [CHANGES[event.change] for event in await store.events(job_id)]


async def finish(worker):
    while leases := (await worker.lease()).leases:
        await worker.succeed(*leases)


def are_ordered(events):
    numbers = [event.number for event in events]
    times = [event.event_time.ToMicroseconds() for event in events]
    return numbers == sorted(set(numbers)) and times == sorted(times)


async def test_a_plain_job_shows_its_creation_start_and_end_without_any_row(store):
    worker, job = await store.worker(), await store.create(items=3)
    assert await changes(store, job.job_id) == ["CREATED"]
    leases = (await worker.lease()).leases
    assert await changes(store, job.job_id) == ["CREATED", "STARTED"]
    await worker.succeed(*leases)
    await finish(worker)
    events = await store.events(job.job_id)
    assert [CHANGES[event.change] for event in events] == ["CREATED", "STARTED", "ENDED"]
    now = await store.get(job.job_id)
    assert [event.event_time for event in events] == [now.create_time, now.start_time, now.finish_time]
    assert events[-1].message == "SUCCEEDED: 3 of 3 items succeeded, 0 failed"
    assert (await store.count_rows("job_events"))["job_events"] == 0


async def test_a_pause_and_a_resumption_say_who_asked(store):
    job = await store.create(items=2)
    await store.pause(job.job_id, actor="10.0.0.7 (headrace-python/1.0)")
    await store.pause(job.job_id, actor="another")
    await store.resume(job.job_id, actor="10.0.0.8")
    await store.resume(job.job_id, actor="another")
    _, paused, resumed = await store.events(job.job_id)
    assert (paused.change, paused.message, paused.actor) == (
        jobs_pb2.JOB_CHANGE_PAUSED,
        "USER",
        "10.0.0.7 (headrace-python/1.0)",
    )
    assert (resumed.change, resumed.message, resumed.actor) == (jobs_pb2.JOB_CHANGE_RESUMED, "", "10.0.0.8")
    assert (paused.count, paused.last_event_time) == (1, paused.event_time)
    assert (await store.get(job.job_id)).state == jobs_pb2.JOB_STATE_PENDING


async def test_the_start_stands_among_the_events_at_its_time(store):
    worker, job = await store.worker(), await store.create(items=2)
    await store.pause(job.job_id)
    store.advance(1)
    await store.resume(job.job_id)
    store.advance(1)
    leases = (await worker.lease()).leases
    store.advance(1)
    await store.pause(job.job_id)
    await worker.succeed(*leases)
    events = await store.events(job.job_id)
    assert [CHANGES[event.change] for event in events] == [
        "CREATED", "PAUSED", "RESUMED", "STARTED", "PAUSED", "ENDED"
    ]  # fmt: skip
    assert are_ordered(events)


async def test_a_cancelled_job_says_who_cancelled_it_once(store):
    worker, job = await store.worker(), await store.create(items=2)
    leases = (await worker.lease()).leases
    await store.cancel(job.job_id, actor="first")
    await store.cancel(job.job_id, actor="second")
    await worker.release(*leases)
    events = await store.events(job.job_id)
    assert [CHANGES[event.change] for event in events] == ["CREATED", "STARTED", "CANCELLED", "ENDED"]
    assert [event.actor for event in events] == ["", "", "first", ""]
    assert events[-1].message == "CANCELLED: 0 of 2 items succeeded, 0 failed"


async def test_a_retry_keeps_the_end_that_it_wipes(store):
    worker, job = await store.worker(), await store.create(items=2)
    await worker.fail(*(await worker.lease()).leases)
    await worker.fail(*await worker.lease_all())
    ended = await store.get(job.job_id)
    before = await store.events(job.job_id)
    store.advance(5)
    retried = await store.stub.RetryJob(
        pb.RetryJobRequest(job_id=job.job_id, tenant="default", request_id="again", actor="somebody")
    )
    assert not retried.job.HasField("finish_time")
    await store.retry(job.job_id, "again")
    events = await store.events(job.job_id)
    assert events[:3] == before, "the end keeps its number and its words"
    assert events[2].event_time == ended.finish_time
    assert events[2].message.startswith("FAILED (TOO_MANY_FAILED_ITEMS): ")
    assert (events[3].change, events[3].actor) == (jobs_pb2.JOB_CHANGE_RETRIED, "somebody")
    assert events[3].message == "round 2, every item without a success"
    await finish(worker)
    events = await store.events(job.job_id)
    assert [CHANGES[event.change] for event in events[3:]] == ["RETRIED", "ENDED"]
    assert are_ordered(events)


async def test_a_paused_job_that_is_cancelled_and_retried_is_not_called_resumed(store):
    job = await store.create(items=2)
    await store.pause(job.job_id)
    await store.cancel(job.job_id)
    await store.retry(job.job_id, item_indexes=[1])
    assert await changes(store, job.job_id) == ["CREATED", "PAUSED", "CANCELLED", "ENDED", "RETRIED"]
    message = (await store.events(job.job_id))[-1].message
    assert message == "round 2, items selected by 0 reasons and 1 indexes"


async def test_a_lost_worker_and_a_quarantine_are_told(store):
    job = await store.create(items=32)
    lost = []
    for _ in range(2):
        worker = await store.worker()
        lost.append(worker.address)
        await worker.lease()
        store.advance(6)
        await store.end_worker(worker, pb.EndWorkerRequest.CAUSE_PORT_CLOSED)
    events = await store.events(job.job_id)
    assert [CHANGES[event.change] for event in events] == [
        "CREATED", "STARTED", "WORKER_LOST", "WORKER_LOST", "QUARANTINED"
    ]  # fmt: skip
    assert [event.actor for event in events[2:4]] == [f"worker {address}" for address in lost]
    assert events[2].message.startswith(f"worker {lost[0]} died and held 16 chunks")
    assert "items 0 to 1" in events[4].message


async def test_a_worker_that_was_replaced_is_told_and_a_drained_one_is_not(store):
    job = await store.create(items=2)
    worker = await store.worker()
    await worker.lease()
    await store.worker(worker.address)
    await store.end_worker(await drained(store), pb.EndWorkerRequest.CAUSE_DRAINED)
    assert await changes(store, job.job_id) == ["CREATED", "STARTED", "WORKER_LOST"]


async def drained(store):
    worker = await store.worker()
    assert (await worker.lease()).leases
    return worker


async def test_a_spent_budget_is_told_and_a_higher_one_too(store):
    worker = await store.worker()
    job = await store.create(items=2, budget_micros=5, max_parallelism=1)
    await worker.succeed((await worker.lease(capacity=1)).leases[0])
    assert (await store.get(job.job_id)).pause_reason == jobs_pb2.PAUSE_REASON_BUDGET
    await store.resume(job.job_id, budget_micros=500, actor="me")
    events = (await store.events(job.job_id))[2:]
    assert [CHANGES[event.change] for event in events] == ["PAUSED", "UPDATED", "RESUMED"]
    assert events[0].message == "BUDGET: the rest of budget_micros 5 does not cover another call"
    assert [event.actor for event in events] == ["store", "me", "me"]
    assert events[1].message == "budget_micros 5 to 500"


async def test_a_job_that_waits_for_its_own_budget_says_so_once_a_minute(store):
    job = await store.create(items=2, budget_micros=100)
    worker = await store.worker()
    first, second = (await worker.lease()).leases
    release = store.release_of(first)
    release.releases[0].needed_micros = 80
    await worker.record(release)
    for _ in range(5):
        await worker.lease()
        store.advance(1)
        await store.sweep()
    held = [e for e in await store.events(job.job_id) if e.change == jobs_pb2.JOB_CHANGE_BUDGET_HELD]
    (event,) = held
    assert event.message == "of budget_micros 100, 0 is spent and 49 reserved by other leases"
    assert event.actor == "store"
    store.advance(61)
    await worker.beat(second)
    await worker.lease()
    held = [e for e in await store.events(job.job_id) if e.change == jobs_pb2.JOB_CHANGE_BUDGET_HELD]
    assert len(held) == 2


def outage(job_id, outage_id, *, ended=False):
    error = None if ended else jobs_pb2.Error(reason="PROVIDER_UNREACHABLE", message="no route")
    change = pb.OutageChange(outage_id=outage_id, ended=ended, error=error)
    return pb.JobRecord(job_id=job_id, outage_changes=[change])


async def test_an_outage_that_several_workers_report_is_told_once(store):
    job = await store.create(items=32)
    workers = [await store.worker(), await store.worker()]
    for worker in workers:
        await worker.lease(capacity=8)
    for worker in workers:
        await worker.record(outage(job.job_id, "a"))
        await worker.record(outage(job.job_id, "a", ended=True))
    await workers[0].record(outage(job.job_id, "b"))
    events = [e for e in await store.events(job.job_id) if e.change == jobs_pb2.JOB_CHANGE_OUTAGE]
    began = "began (PROVIDER_UNREACHABLE): no route"
    assert [event.message for event in events] == [began, "ended", began]
    assert events[0].actor == f"worker {workers[0].incarnation}"


async def test_an_outage_is_told_only_under_a_lease(store):
    job = await store.create(items=1)
    worker = await store.worker()
    await worker.record(outage(job.job_id, "a"))
    assert await changes(store, job.job_id) == ["CREATED"]


async def test_a_pause_for_an_outage_has_the_words_of_the_provider(store):
    job = await store.create(items=1)
    worker = await store.worker()
    await worker.lease()
    error = jobs_pb2.Error(reason="PROVIDER_UNREACHABLE", message="no route")
    await worker.record(pb.JobRecord(job_id=job.job_id, outage_error=error))
    event = (await store.events(job.job_id))[-1]
    assert (event.message, event.actor) == ("OUTAGE: no route", f"worker {worker.incarnation}")


async def test_words_are_one_printable_line_of_bounded_length(store):
    job = await store.create(items=1)
    await store.pause(job.job_id, actor="a\nb\x1b[31m\u202e" + "x" * 900)
    actor = (await store.events(job.job_id))[1].actor
    assert actor.startswith("a b [31m xxx")
    assert (len(actor), actor.isprintable()) == (200, True)


async def test_pages_bring_every_event_once(store):
    job = await store.create(items=1)
    for _ in range(4):
        await store.pause(job.job_id)
        await store.resume(job.job_id)
    found, after, more = [], -1, True
    while more:
        page = await store.events_page(job.job_id, page_size=2, after_number=after)
        found += page.events
        after, more = page.events[-1].number, page.has_more
    assert found == await store.events(job.job_id)
    assert len(found) == 9


async def test_a_job_of_another_tenant_has_no_history(store):
    job = await store.create(items=1)
    for fields in ({"tenant": "other"}, {"tenant": ""}):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await store.events(job.job_id, **fields)
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_job_that_is_paused_often_has_a_bounded_history_that_counts_all(store, monkeypatch):
    monkeypatch.setattr(history, "MAX_EVENTS", 100)
    monkeypatch.setattr(history, "MERGE_INTERVAL", 10)
    monkeypatch.setattr(history, "EVENTS_KEPT", 86)
    job = await store.create(items=2)
    worker = await store.worker()
    leases = (await worker.lease()).leases
    most = 0
    for number in range(500):
        await store.pause(job.job_id, actor=f"client {number}")
        await store.resume(job.job_id)
        if number % 5 == 4:
            most = max(most, (await store.count_rows("job_events"))["job_events"])
    await worker.succeed(*leases)
    assert history.EVENTS_KEPT < most <= history.MAX_EVENTS
    events = await store.events(job.job_id)
    assert are_ordered(events)
    for change in (jobs_pb2.JOB_CHANGE_PAUSED, jobs_pb2.JOB_CHANGE_RESUMED):
        of_type = [event for event in events if event.change == change]
        assert sum(event.count for event in of_type) == 500
        assert of_type[0].count > 400
        assert of_type[0].last_event_time.ToMicroseconds() > of_type[0].event_time.ToMicroseconds()
    newest = [event.actor for event in events if event.change == jobs_pb2.JOB_CHANGE_PAUSED][-40:]
    assert newest == [f"client {number}" for number in range(460, 500)]
    assert [CHANGES[event.change] for event in (*events[:2], events[-1])] == ["CREATED", "STARTED", "ENDED"]


async def test_a_purge_deletes_the_history(store, monkeypatch):
    monkeypatch.setattr("services.results.purging.purge_rows.MAX_ROWS_PER_TRANSACTION", 3)
    job = await store.create(items=1)
    for _ in range(5):
        await store.pause(job.job_id)
        await store.resume(job.job_id)
    await store.cancel(job.job_id)
    store.advance(2 * 3600)
    await store.purge()
    assert set((await store.count_rows()).values()) == {0}


async def test_a_job_from_before_histories_has_its_creation_start_and_end(store):
    worker, job = await store.worker(), await store.create(items=1)
    await finish(worker)
    async with store.database.engine.begin() as connection:
        await connection.execute(text("UPDATE jobs SET model = NULL"))
    assert await changes(store, job.job_id) == ["CREATED", "STARTED", "ENDED"]
