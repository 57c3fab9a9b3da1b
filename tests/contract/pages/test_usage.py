"""GetUsage: sums by day, model, kind and label, before and after the purge."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from headrace.jobs.v1 import jobs_pb2
from services.results.purging.purge_jobs import purge_jobs
from services.results.rows.usage_rows import DAY

HOUR, DAY_SECONDS = 3600, 86_400
# What FakeWorker reports for each item.
CALLS, TOKENS, MICROS = 1, 10, 5


@pytest.fixture(autouse=True)
def noon(store):
    """Moves the clock to noon, so that no test meets midnight."""
    now = datetime.now(UTC)
    store.advance((now.replace(hour=12) - now).total_seconds() + DAY_SECONDS)


async def spend(store, items=1, labels="", tenant="default", **fields):
    """Returns the id of a job whose items have all succeeded."""
    worker = await store.worker()
    job = await store.create(items=items, tenant=tenant, **fields)
    if labels:
        async with store.database.engine.begin() as connection:
            update = "UPDATE jobs SET labels = :labels WHERE job_id = :job_id"
            await connection.execute(text(update), {"labels": labels, "job_id": job.job_id})
    while leases := (await worker.lease()).leases:
        await worker.succeed(*leases)
    return job.job_id


def counts(group):
    return group.job_count, group.succeeded_count, group.usage.call_count, group.usage.cost_micros


def of_items(job_count, item_count):
    return job_count, item_count, item_count * CALLS, item_count * MICROS


async def grouped(store, **fields):
    response = await store.usage(**fields)
    assert counts(response.total) == tuple(map(sum, zip(*map(counts, response.groups), strict=True)))
    return {(g.day, g.model, g.kind, g.label_value): counts(g) for g in response.groups}


def day_of(store, days=0):
    instant = datetime.fromtimestamp(store.clock.offset / 1_000_000, UTC).timestamp()
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() + instant + days * DAY_SECONDS, UTC).date()


async def test_usage_is_grouped_by_model_kind_and_day(store):
    await spend(store, 2, model="small", kind="noop")
    await spend(store, 3, model="large", kind="noop")
    await spend(store, 4, model="large", kind="llm.classify")
    today = day_of(store).isoformat()
    assert await grouped(store) == {("", "", "", ""): of_items(3, 9)}
    assert await grouped(store, by_model=True) == {
        ("", "large", "", ""): of_items(2, 7),
        ("", "small", "", ""): of_items(1, 2),
    }
    assert await grouped(store, by_model=True, by_kind=True, by_day=True) == {
        (today, "large", "llm.classify", ""): of_items(1, 4),
        (today, "large", "noop", ""): of_items(1, 3),
        (today, "small", "noop", ""): of_items(1, 2),
    }
    assert await grouped(store, kind="noop") == {("", "", "", ""): of_items(2, 5)}
    assert await grouped(store, model="large") == {("", "", "", ""): of_items(2, 7)}
    total = (await store.usage()).total
    assert (total.usage.input_tokens, total.usage.output_tokens) == (9 * TOKENS, 18)


LABELS = '{"cost/center.id":"a b","team":"blue"}'


async def test_usage_is_grouped_and_chosen_by_labels(store):
    await spend(store, 1)
    await spend(store, 2, labels='{"team":"red"}')
    await spend(store, 3, labels=LABELS)
    await spend(store, 4, labels='{"team":"bl\\"ue"}')
    await spend(store, 5, labels='{"team":""}')
    assert await grouped(store, by_label="team") == {
        ("", "", "", ""): of_items(2, 6),
        ("", "", "", 'bl"ue'): of_items(1, 4),
        ("", "", "", "blue"): of_items(1, 3),
        ("", "", "", "red"): of_items(1, 2),
    }
    assert await grouped(store, by_label="cost/center.id", labels={"team": "blue"}) == {
        ("", "", "", "a b"): of_items(1, 3)
    }
    assert await grouped(store, labels={"team": "blue", "cost/center.id": "a b"}) == {
        ("", "", "", ""): of_items(1, 3)
    }
    assert await grouped(store, labels={"team": 'bl"ue'}) == {("", "", "", ""): of_items(1, 4)}
    assert await grouped(store, labels={"team": ""}) == {("", "", "", ""): of_items(1, 5)}
    nothing = await store.usage(labels={"team": "blue", "cost": "a"})
    assert (list(nothing.groups), nothing.total) == ([], jobs_pb2.UsageGroup(usage=jobs_pb2.Usage()))


async def test_usage_is_that_of_one_tenant_and_of_the_wanted_days(store):
    await spend(store, 2, tenant="one")
    await spend(store, 3, tenant="other")
    store.advance(3 * DAY_SECONDS)
    await spend(store, 4, tenant="one")
    day = day_of(store).toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    assert await grouped(store, tenant="one") == {("", "", "", ""): of_items(2, 6)}
    assert await grouped(store, tenant="one", first_day=day) == {("", "", "", ""): of_items(1, 4)}
    assert await grouped(store, tenant="one", last_day=day - 3) == {("", "", "", ""): of_items(1, 2)}
    assert (await store.usage(tenant="one", first_day=day - 2, last_day=day - 1)).total.job_count == 0
    days = {key[0] for key in await grouped(store, tenant="one", by_day=True)}
    assert days == {day_of(store).isoformat(), day_of(store, -3).isoformat()}


async def test_failures_and_attempts_count_too(store):
    worker = await store.worker()
    await store.create(items=2, model="small")
    first, second = await worker.lease_all()
    await worker.fail(first)
    await worker.record(store.deferral_of(second, [1], delay_ms=60_000, attempt_count=3))
    total = (await store.usage()).total
    assert (total.job_count, total.succeeded_count, total.failed_count) == (1, 0, 1)
    assert total.usage.call_count == 4


async def everything(store):
    """Returns the usage grouped by all."""
    return await grouped(store, by_day=True, by_model=True, by_kind=True, by_label="team")


async def test_usage_survives_the_purge(store):
    await spend(store, 2, model="small", labels=LABELS)
    await spend(store, 3, model="large")
    await store.create(items=1, model="live")
    before = await everything(store)
    store.advance(2 * HOUR)
    await store.purger().purge_jobs()
    assert await everything(store) == before
    assert (await store.count_rows("usage_history"))["usage_history"] == 2
    await store.purge()
    assert await everything(store) == before


async def test_labels_count_as_they_are_at_the_purge(store):
    job_id = await spend(store, 2, labels='{"team":"old"}')
    async with store.database.engine.begin() as connection:
        update = """UPDATE jobs SET labels = '{"team":"new"}' WHERE job_id = :job_id"""
        await connection.execute(text(update), {"job_id": job_id})
    store.advance(2 * HOUR)
    await store.purge()
    assert await grouped(store, by_label="team") == {("", "", "", "new"): of_items(1, 2)}


async def test_a_success_after_the_purge_counts_nowhere(store):
    worker = await store.worker()
    job = await store.create(items=2)
    leases = await worker.lease_all()
    await worker.fail(leases[0])
    await store.cancel(job.job_id)
    await worker.release(leases[1])
    before = (await store.usage()).total
    store.advance(2 * HOUR)
    await store.purger().purge_jobs()
    assert (await worker.succeed(leases[1])).outcomes[0].lost
    assert (await store.usage()).total == before


async def test_a_success_that_the_purge_waits_for_counts_once(store):
    worker = await store.worker()
    job = await store.create(items=2)
    leases = await worker.lease_all()
    await worker.fail(leases[0])
    await store.cancel(job.job_id)
    await worker.release(leases[1])
    store.advance(2 * HOUR)
    for _ in range(20):
        await asyncio.gather(
            worker.succeed(leases[1]), purge_jobs(store.database, HOUR * 1_000_000), store.usage()
        )
    total = (await store.usage()).total
    assert total.job_count == 1
    assert total.succeeded_count in (0, 1)
    assert total.usage.call_count == 1 + total.succeeded_count


async def test_a_sum_sees_each_job_once_while_it_is_purged(store):
    for _ in range(6):
        await spend(store, 2)
    before = (await store.usage()).total
    store.advance(2 * HOUR)
    purging = asyncio.create_task(store.purge())
    while not purging.done():
        assert (await store.usage()).total == before
    assert (await store.usage()).total == before


async def test_rows_a_month_old_are_folded_and_sum_up_to_the_same(store):
    for _ in range(2):
        await spend(store, 2, model="small", labels=LABELS)
        await spend(store, 3, model="large")
    store.advance(2 * HOUR)
    await store.purge()
    store.advance(20 * DAY_SECONDS)
    await spend(store, 1, model="small")
    store.advance(2 * HOUR)
    await store.purge()
    before = await everything(store)
    purger = store.purger()
    await purger.fold_usage()
    assert (await store.count_rows("usage_history"))["usage_history"] == 5
    store.advance(13 * DAY_SECONDS)
    await asyncio.gather(*(store.purger().fold_usage() for _ in range(3)))
    assert (await store.count_rows("usage_history"))["usage_history"] == 3
    assert await everything(store) == before


async def test_a_job_that_is_purged_after_its_day_was_folded_is_added(store):
    await spend(store, 2, model="small")
    late = await store.create(items=1, model="small")
    store.advance(2 * HOUR)
    await store.purge()
    store.advance(33 * DAY_SECONDS)
    await store.purger().fold_usage()
    await store.cancel(late.job_id)
    store.advance(2 * HOUR)
    await store.purge()
    before = await everything(store)
    await store.purger().fold_usage()
    assert (await store.count_rows("usage_history"))["usage_history"] == 1
    assert await everything(store) == before
    assert {value[:2] for value in before.values()} == {(2, 2)}


async def test_folding_takes_a_bounded_number_of_rows_at_a_time(store, monkeypatch):
    monkeypatch.setattr("services.results.purging.fold_usage.MAX_ROWS_PER_TRANSACTION", 2)
    monkeypatch.setattr("services.results.purging.purger.MAX_USAGE_PER_TRANSACTION", 2)
    for number in range(5):
        await spend(store, 1, model=f"model {number % 2}")
    store.advance(2 * HOUR)
    await store.purge()
    store.advance(33 * DAY_SECONDS)
    before = await everything(store)
    await store.purger().fold_usage()
    assert (await store.count_rows("usage_history"))["usage_history"] == 2
    assert await everything(store) == before


async def test_only_the_first_groups_are_listed_and_the_total_has_all(store, monkeypatch):
    for number in range(4):
        await spend(store, 1, model=f"model {number}")
    monkeypatch.setattr("services.results.pages.usage.MAX_GROUPS", 3)
    response = await store.usage(by_model=True)
    assert [group.model for group in response.groups] == ["model 0", "model 1", "model 2"]
    assert response.total.job_count == 4
    monkeypatch.setattr("services.results.pages.usage.MAX_BYTES", 70)
    response = await store.usage(by_model=True)
    assert len(response.groups) == 2
    assert response.total.job_count == 4


async def test_a_job_from_before_the_column_of_models_names_none(store):
    job_id = await spend(store, 2, model="small")
    async with store.database.engine.begin() as connection:
        update = "UPDATE jobs SET model = NULL WHERE job_id = :job_id"
        await connection.execute(text(update), {"job_id": job_id})
    assert await grouped(store, by_model=True) == {("", "", "", ""): of_items(1, 2)}


@pytest.mark.parametrize("seconds", [0, 1, DAY_SECONDS - 1])
def test_a_day_begins_at_midnight_utc(seconds):
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    micros = int(midnight.timestamp() + seconds) * 1_000_000
    assert datetime.fromordinal(micros // DAY + datetime(1970, 1, 1, tzinfo=UTC).toordinal()).date() == (
        midnight.date()
    )
