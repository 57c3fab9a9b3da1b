"""Keys of items: unique in their job, through uploads, resends and purges."""

import asyncio

import grpc
import pytest

from headrace.errors import from_rpc_error
from headrace.jobs.v1 import jobs_pb2
from services.results.database.failures import ContentRefusedError
from services.results.database.transaction import Transaction
from services.results.purging import purge_rows as rows_step
from services.results.rows import chunk_rows, key_rows
from services.stubs.results.v1 import results_pb2 as pb

ASTRAL = "\N{GRINNING FACE}"
WEIRD_KEYS = [ASTRAL * 256, "0", "null", " ", "a\0b", "'; --", "é", "e\N{COMBINING ACUTE ACCENT}", "A", "a"]


async def refused(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def keys_of(store, job_id, **fields):
    """Returns the key of each item of a job."""
    values = {"tenant": "default", "page_size": 1_000, "after_item_index": -1} | fields
    page = await store.stub.GetItems(pb.GetItemsRequest(job_id=job_id, **values))
    return {item.item_index: item.item_key for item in page.items}


async def finish_all(store):
    worker = await store.worker()
    for lease in await worker.lease_all():
        await worker.succeed(lease)


async def test_keys_of_a_new_job_go_with_its_results(store):
    job = await store.create(len(WEIRD_KEYS), item_keys=WEIRD_KEYS)
    await finish_all(store)
    for page in (await store.results(job.job_id), await store.recorded(job.job_id)):
        assert {r.item_index: r.item_key for r in page.results} == dict(enumerate(WEIRD_KEYS))
        assert {r.input for r in page.results} == {""}


async def test_keys_of_an_upload_are_kept_across_its_batches(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 2, item_keys=["a", "b"])
    await store.append(job.job_id, 2, 2)
    await store.append(job.job_id, 4, 2, item_keys=["", "c"], finish_total_count=6)
    expected = {0: "a", 1: "b", 2: "", 3: "", 4: "", 5: "c"}
    assert await keys_of(store, job.job_id) == expected
    await finish_all(store)
    found = (await store.results(job.job_id)).results
    assert {result.item_index: result.item_key for result in found} == expected


async def test_an_upload_whose_first_items_have_no_keys_gets_keys_later(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 2)
    await store.append(job.job_id, 2, 1, item_keys=["late"])
    assert await keys_of(store, job.job_id) == {0: "", 1: "", 2: "late"}


async def test_a_key_twice_in_a_batch_is_refused_and_the_upload_stays_open_at_its_offset(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 2, item_keys=["a", "b"])
    error = await refused(store.append(job.job_id, 2, 3, item_keys=["c", "d", "c"]))
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "ITEM_KEY_TAKEN")
    assert "'c' is the key of items 2 and 4" in error.message
    stored = await store.append(job.job_id)
    assert (stored.stored_count, stored.job.state) == (2, jobs_pb2.JOB_STATE_UPLOADING)
    await store.append(job.job_id, 2, 3, item_keys=["c", "d", "e"], finish_total_count=5)
    assert await keys_of(store, job.job_id) == dict(enumerate("abcde"))


async def test_keys_of_earlier_batches_are_refused_with_the_first_three_and_both_positions(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 6, item_keys=["a", "b", "c", "d", "", "f"])
    before = await store.count_rows()
    error = await refused(store.append(job.job_id, 6, 6, item_keys=["x", "d", "", "c", "b", "a"]))
    assert error.reason == "ITEM_KEY_TAKEN"
    assert error.message.startswith(
        "item_keys: 'd' is the key of items 3 and 7, 'c' is the key of items 2 and 9, "
        "'b' is the key of items 1 and 10, and more"
    )
    assert await store.count_rows() == before
    assert (await store.append(job.job_id)).stored_count == 6


async def test_a_double_key_behind_a_thousand_new_ones_stores_none_of_them(store, monkeypatch):
    monkeypatch.setattr(key_rows, "MAX_KEYS_PER_STATEMENT", 3)
    job = await store.open_upload()
    await store.append(job.job_id, 0, 1, item_keys=["old"])
    keys = [f"new-{index}" for index in range(10)]
    error = await refused(store.append(job.job_id, 1, 11, item_keys=[*keys, "old"]))
    assert "'old' is the key of items 0 and 11" in error.message
    assert (await store.count_rows("item_keys"))["item_keys"] == 1
    assert (await store.append(job.job_id, 1, 10, item_keys=keys)).stored_count == 11


async def test_the_last_batch_with_a_double_key_does_not_close_the_upload(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 1, item_keys=["a"])
    refusal = await refused(store.append(job.job_id, 1, 1, item_keys=["a"], finish_total_count=2))
    assert refusal.reason == "ITEM_KEY_TAKEN"
    assert (await store.append(job.job_id, 1, 1, finish_total_count=2)).job.progress.total_count == 2


async def test_keys_of_items_that_are_sent_again_are_not_compared(store):
    job = await store.open_upload()
    await store.append(job.job_id, 0, 2, item_keys=["a", "b"])
    again = await store.append(job.job_id, 0, 2, item_keys=["a", "b"])
    assert again.stored_count == 2
    assert (await store.append(job.job_id, 0, 3, item_keys=["b", "a", "c"])).stored_count == 3
    assert (await store.append(job.job_id, 1, 3, item_keys=["x", "x", "d"])).stored_count == 4
    assert await keys_of(store, job.job_id) == {0: "a", 1: "b", 2: "c", 3: "d"}


async def test_two_gateways_that_append_at_once_store_a_key_once(store):
    job = await store.open_upload()
    keys = [f"key-{index}" for index in range(50)]
    calls = [store.append(job.job_id, 0, 50, item_keys=keys) for _ in range(4)]
    assert {response.stored_count for response in await asyncio.gather(*calls)} == {50}
    assert (await store.count_rows("item_keys"))["item_keys"] == 50
    both = await asyncio.gather(
        *(store.append(job.job_id, 50, 1, item_keys=[key]) for key in ("key-1", "key-2")),
        return_exceptions=True,
    )
    assert all(from_rpc_error(error).reason == "ITEM_KEY_TAKEN" for error in both)


async def test_jobs_may_have_the_same_keys(store):
    first, second = await store.create(2, item_keys=["a", "b"]), await store.create(1, item_keys=["a"])
    upload = await store.open_upload()
    await store.append(upload.job_id, 0, 1, item_keys=["a"])
    assert await keys_of(store, first.job_id, item_keys=["a"]) == {0: "a"}
    assert await keys_of(store, second.job_id, item_keys=["a", "b"]) == {0: "a"}


async def test_a_repeated_creation_with_keys_returns_the_first_job(store):
    new = store.new_job(2, item_keys=["a", "b"])
    first = (await store.create_all(new)).outcomes[0].job
    new.job_id = store.new_job().job_id
    again, other = (await store.create_all(new, store.new_job(1, item_keys=["a"]))).outcomes
    assert (again.job.job_id, other.job.progress.total_count) == (first.job_id, 1)
    assert (await store.count_rows("item_keys"))["item_keys"] == 3


async def test_a_new_job_with_a_double_key_is_refused_alone(store):
    double, single = store.new_job(2, item_keys=["a", "a"]), store.new_job(2, item_keys=["a", "b"])
    outcomes = (await store.create_all(double, single)).outcomes
    assert [outcome.error.reason for outcome in outcomes] == ["STORE_REFUSED", ""]


async def test_many_long_keys_are_stored_at_once(store):
    keys = [f"{index:0256}" for index in range(40_000)]  # 10 MB
    job = await store.open_upload()
    assert (await store.append(job.job_id, 0, 40_000, item_keys=keys)).stored_count == 40_000
    error = await refused(store.append(job.job_id, 40_000, 2, item_keys=["new", keys[39_999]]))
    assert "items 39999 and 40001" in error.message
    assert len(error.message) < 400
    assert await keys_of(store, job.job_id, item_keys=keys[39_998:]) == {
        39_998: keys[39_998],
        39_999: keys[39_999],
    }


async def test_a_retry_selects_items_by_their_keys(store):
    job = await store.create(4, item_keys=["a", "b", "c", "d"], max_failed_ratio=1.0)
    worker = await store.worker()
    for lease in await worker.lease_all():
        await worker.fail(lease)
    response = await store.retry(job.job_id, item_keys=["c", "unknown"], item_indexes=[0])
    assert response.job.progress.failed_count == 2
    assert {item.item_index for lease in await worker.lease_all() for item in lease.items} == {0, 2}


@pytest.mark.parametrize("keys", [["a"], []])
async def test_a_retry_of_unknown_keys_starts_nothing(store, keys):
    job = await store.create(len(keys) or 1, item_keys=keys, max_failed_ratio=1.0)
    worker = await store.worker()
    await worker.fail(*await worker.lease_all())
    ended = await store.get(job.job_id)
    assert (await store.retry(job.job_id, item_keys=["unknown"])).job == ended


async def test_keys_are_purged_in_parts_in_the_order_of_their_hashes(store, monkeypatch):
    monkeypatch.setattr(rows_step, "MAX_ROWS_PER_TRANSACTION", 3)
    job, other = await store.create(8, item_keys=list("abcdefgh")), await store.create(1, item_keys=["a"])
    await store.cancel(job.job_id)
    store.advance(7_200)
    purger = store.purger()
    await purger.purge_jobs()
    position, counts = rows_step.Position(), []
    while position is not None:
        moved = await rows_step.purge_rows(store.database, {job.job_id: position})
        position = moved[job.job_id]
        counts.append((await store.count_rows("item_keys", job_id=job.job_id))["item_keys"])
    assert list(dict.fromkeys(counts)) == [8, 5, 2, 0]
    assert set((await store.count_rows(job_id=job.job_id)).values()) == {0}
    assert await keys_of(store, other.job_id, item_keys=["a"]) == {0: "a"}


async def test_a_purge_that_starts_again_finds_the_keys_that_are_left(store, monkeypatch):
    monkeypatch.setattr(rows_step, "MAX_ROWS_PER_TRANSACTION", 3)
    job = await store.create(8, item_keys=list("abcdefgh"))
    await store.cancel(job.job_id)
    store.advance(7_200)
    await store.purger().purge_jobs()
    position = rows_step.Position(item_index=8)
    await rows_step.purge_rows(store.database, {job.job_id: position})
    beyond = position._replace(key_hash="f" * 32)
    moved = await rows_step.purge_rows(store.database, {job.job_id: beyond})
    assert moved == {job.job_id: position}
    await store.purge()
    assert set((await store.count_rows(job_id=job.job_id)).values()) == {0}


async def test_keys_that_the_database_refuses_are_an_error_and_nothing_is_stored(store, monkeypatch):
    job = await store.open_upload()

    def refuse(*_):
        raise ContentRefusedError("DataError 22000")

    monkeypatch.setattr(chunk_rows, "insert_blocks", refuse)
    error = await refused(store.append(job.job_id, 0, 1, item_keys=["secret"]))
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "STORE_REFUSED")
    assert (await store.append(job.job_id)).stored_count == 0


@pytest.fixture
def statements(monkeypatch):
    """The statements of all transactions, each a round trip."""
    found = []
    run = Transaction._run

    async def counted(self, template, *arguments):
        found.append(template)
        return await run(self, template, *arguments)

    monkeypatch.setattr(Transaction, "_run", counted)
    return found


async def test_keys_take_no_round_trip_more_and_jobs_without_keys_no_statement(store, statements):
    async def count(call):
        statements.clear()
        await call
        return len(statements), sum("item_keys (" in template for template in statements)

    upload, keyed = await store.open_upload(), await store.open_upload()
    await store.append(keyed.job_id, 0, 1, item_keys=["first"])
    for without, with_keys in (
        (store.create(3), store.create(3, item_keys=["a", "b", "c"])),
        (store.append(upload.job_id, 0, 3), store.append(keyed.job_id, 1, 3, item_keys=["a", "b", "c"])),
    ):
        statement_count, key_count = await count(without)
        assert key_count == 0
        added = 1 if store.sqlite else 0  # SQLite runs each statement of its own
        assert await count(with_keys) == (statement_count + added, 1)


async def test_results_of_jobs_without_keys_take_no_statement_more(store, statements):
    jobs = [await store.create(3), await store.create(3, item_keys=["a", "b", "c"])]
    await finish_all(store)
    for read, expected in ((store.results, 3), (store.recorded, 3)):
        counts = []
        for job in jobs:
            statements.clear()
            await read(job.job_id)
            counts.append(len(statements))
        assert counts == [expected, expected + 1]
