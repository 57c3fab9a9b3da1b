"""Keys of items through a whole system: two gateways, a break in the upload, results and reads by key."""

import asyncio

import pytest

from headrace import InvalidArgumentError, ItemState, JobState

pytestmark = pytest.mark.timeout(120)

COUNT = 2_500


class CutOffError(Exception):
    """The source of the items broke."""


async def rows(count, end=None):
    for number in range(count):
        yield {"id": f"row-{number}", "number": number}
    if end is not None:
        raise end


async def ended(hr, job_id):
    async with asyncio.timeout(60):
        return [event.job async for event in hr.watch(job_id)][-1]


async def test_keys_are_unique_across_gateways_and_resends_and_go_with_results(two_gateways, open_client):
    first, second = (open_client(gateway.target) for gateway in two_gateways.gateways)
    opened, submitted = [], {"key": "id", "request_id": "keys"}
    with pytest.raises(CutOffError):
        await first.submit("noop", rows(1_200, CutOffError()), on_open=opened.append, **submitted)
    job_id = opened[0].job_id

    async def doubled():
        async for row in rows(1_200):
            yield row
        yield {"id": "row-7", "number": 0}

    with pytest.raises(InvalidArgumentError, match="'row-7' is the key of items 7 and 1200") as caught:
        await second.submit("noop", doubled(), **submitted)
    assert caught.value.reason == "ITEM_KEY_TAKEN"
    assert (await first.get(job_id)).progress.total_count == 1_200

    job = await second.submit("noop", rows(COUNT), **submitted)
    assert job.job_id == job_id
    assert (await ended(first, job_id)).state is JobState.SUCCEEDED

    for follow in (False, True):
        found = {
            result.item_index: (result.item_key, result.input)
            async for result in second.results(job_id, follow=follow, include_inputs=True)
        }
        assert found == {n: (f"row-{n}", {"id": f"row-{n}", "number": n}) for n in range(COUNT)}

    named = [item async for item in first.items(job_id, keys=["row-2400", "none"], indexes=[3, COUNT])]
    assert [(item.item_index, item.item_key) for item in named] == [(3, "row-3"), (2400, "row-2400")]
    assert {item.result.state for item in named} == {ItemState.SUCCEEDED}
    assert [item.item_index async for item in second.items(job_id)] == list(range(COUNT))


async def test_a_retry_runs_the_items_with_the_named_keys(two_gateways, open_client):
    hr = open_client(two_gateways.gateways[0].target)
    opened = asyncio.get_running_loop().create_future()

    async def source():
        yield {"id": 0}
        await hr.pause((await opened).job_id)
        for number in range(1, 40):
            yield {"id": number}

    job = await hr.submit("noop", source(), key="id", max_failed_ratio=1.0, on_open=opened.set_result)
    await hr.cancel(job.job_id)
    await ended(hr, job.job_id)
    await hr.retry(job.job_id, keys=[7, "39", "none"])
    await ended(hr, job.job_id)
    found = {r.item_key async for r in hr.results(job.job_id, item_state=ItemState.SUCCEEDED)}
    assert found - {"0"} == {"7", "39"}
