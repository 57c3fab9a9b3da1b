"""Deletion of the shares of tenants without jobs."""

import asyncio
from contextlib import suppress

from headrace.errors import UnavailableError
from headrace.jobs.v1 import jobs_pb2
from services.results.transitions.create_jobs import create_in

SUCCEEDED = jobs_pb2.JOB_STATE_SUCCEEDED
HOUR = 3600


async def finished_job(store, items=1, **fields):
    """Returns a job whose items have all succeeded."""
    worker = await store.worker()
    job = await store.create(items=items, **fields)
    while leases := (await worker.lease()).leases:
        await worker.succeed(*leases)
    assert (await store.get(job.job_id)).state == SUCCEEDED
    return job


async def test_shares_of_tenants_without_jobs_are_deleted_and_made_again(store):
    await finished_job(store, tenant="gone")
    store.advance(2 * HOUR)
    await store.create(tenant="there")
    await store.purger().purge_shares()
    assert {"gone", "there"} <= await store.tenants_with_shares()
    await store.purge()
    await store.purger().purge_shares()
    tenants = await store.tenants_with_shares()
    assert "gone" not in tenants
    assert {"", "there"} <= tenants
    again = await store.create(tenant="gone")
    worker = await store.worker()
    leases = (await worker.lease()).leases
    assert again.job_id in {lease.ref.job_id for lease in leases}


async def test_a_tenant_that_comes_back_has_no_more_turns_than_others(store):
    await finished_job(store, tenant="back")
    busy = await store.create(items=320, tenant="busy")  # 16 chunks of 20.
    worker = await store.worker()
    for _ in range(4):
        await worker.lease(capacity=20)
    store.advance(2 * HOUR)
    await store.purge()
    await store.purger().purge_shares()
    assert "back" not in await store.tenants_with_shares()
    back = await store.create(items=320, tenant="back")
    worker = await store.worker()
    turns = [(await worker.lease(capacity=20)).leases[0].ref.job_id for _ in range(8)]
    assert turns[0] == back.job_id
    assert turns.count(busy.job_id) >= 3


async def test_the_share_of_a_tenant_is_not_deleted_while_a_job_of_it_is_being_created(store):
    await finished_job(store, tenant="back")
    store.advance(2 * HOUR)
    await store.purge()
    new = store.new_job(tenant="back")
    inserted, go_on = asyncio.Event(), asyncio.Event()

    async def create(tx):
        await create_in(tx, [new], [(new.options.job_class, new.tenant)])
        inserted.set()
        await go_on.wait()

    creating = asyncio.create_task(store.database.write(create))
    await inserted.wait()
    forgetting = asyncio.create_task(store.purger().purge_shares())
    if not store.sqlite:  # SQLite waits for its one writer.
        await asyncio.wait([forgetting])
    go_on.set()
    await creating
    await asyncio.wait([forgetting])
    assert store.sqlite or isinstance(forgetting.exception(), UnavailableError)
    assert "back" in await store.tenants_with_shares()
    worker = await store.worker()
    assert [lease.ref.job_id for lease in (await worker.lease()).leases] == [new.job_id]


async def test_a_job_created_while_the_share_of_its_tenant_is_deleted_is_still_leased(store):
    async def create_all():
        return [await store.create(tenant=f"tenant-{number}") for number in range(60)]

    async def forget_again_and_again():
        while not creating.done():
            with suppress(UnavailableError):
                await store.purger().purge_shares()
            await asyncio.sleep(0)

    for _ in range(2):
        creating = asyncio.create_task(create_all())
        forgetting = [forget_again_and_again() for _ in range(2)]
        await asyncio.gather(creating, *forgetting)
        worker = await store.worker()
        leased = set()
        while leases := (await worker.lease()).leases:
            leased |= {lease.ref.job_id for lease in leases}
            await worker.succeed(*leases)
        assert leased == {job.job_id for job in creating.result()}
        store.advance(2 * HOUR)
        await store.purge()
    await store.purger().purge_shares()
    assert not any(tenant.startswith("tenant-") for tenant in await store.tenants_with_shares())
