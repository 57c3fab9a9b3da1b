"""Two gateways of one stack: streams and uploads continue at the other when one is killed."""

import asyncio

import pytest

from headrace import JobState

pytestmark = pytest.mark.timeout(120)

FIRST, ALL = 1000, 1500


class CutOffError(Exception):
    """The source of the items broke."""


async def numbers(count, end=None):
    for number in range(count):
        yield number
    if end is not None:
        raise end


@pytest.fixture
def hr(any_gateway, open_client):
    return open_client(any_gateway)


@pytest.fixture
async def job(hr, request, fail_over):
    """A job that cannot end before `finish`, because its upload stays open."""
    opened, items = [], numbers(FIRST, CutOffError())
    with pytest.raises(CutOffError):
        await hr.submit("noop", items, request_id=request.node.name, on_open=opened.append)
    return opened[0]


@pytest.fixture
def finish(hr, request):
    """Uploads the remaining items of the job and closes its upload."""
    return lambda: hr.submit("noop", numbers(ALL), request_id=request.node.name)


async def test_a_watch_continues_at_the_other_gateway_when_its_own_is_killed(hr, job, finish, fail_over):
    seqs, seq_when_killed = [], None
    async with asyncio.timeout(60):
        async for event in hr.watch(job.job_id):
            seqs.append(event.job.seq)
            if event.progress.succeeded_count == FIRST and seq_when_killed is None:
                seq_when_killed = event.job.seq
                await asyncio.to_thread(fail_over)
                await finish()
    assert event.state is JobState.SUCCEEDED
    assert event.progress.succeeded_count == ALL
    assert seqs == sorted(seqs)
    assert seq_when_killed < seqs[-1]


async def test_results_are_followed_at_the_other_gateway_when_their_own_is_killed_each_one_once(
    hr, job, finish, fail_over
):
    indexes = []
    async with asyncio.timeout(60):
        async for result in hr.results(job.job_id, follow=True):
            indexes.append(result.item_index)
            if len(indexes) == FIRST // 2:
                await asyncio.to_thread(fail_over)
                await finish()
    assert sorted(indexes) == list(range(ALL))


async def test_a_cancel_at_one_gateway_is_seen_by_a_watcher_at_the_other(two_gateways, open_client):
    watching, cancelling = (open_client(gateway.target) for gateway in two_gateways.gateways)
    job = await watching.submit("noop", [{}] * 5000, {"sleep_ms": 200})
    cancelled = None
    async with asyncio.timeout(30):
        async for event in watching.watch(job.job_id):
            if event.progress.succeeded_count and cancelled is None:
                cancelled = await cancelling.cancel(job.job_id)
    assert cancelled.state in (JobState.CANCELLING, JobState.CANCELLED)
    assert event.state is JobState.CANCELLED
    assert event.job.seq >= cancelled.seq
    assert await cancelling.get(job.job_id) == event.job


async def test_a_watch_of_many_jobs_hears_of_every_end_when_its_gateway_is_killed(hr, fail_over):
    labels = {"test": "many"}
    jobs = [await hr.submit("noop", [1], {"sleep_ms": 500}, labels=labels) for _ in range(3)]
    submitted, ended, is_killed = {job.job_id for job in jobs}, set(), False
    async with asyncio.timeout(60):
        async for change in hr.watch_jobs(labels=labels):
            if not is_killed:
                is_killed = True
                await asyncio.to_thread(fail_over)
                submitted.add((await hr.submit("noop", [1], labels=labels)).job_id)
            if change.job.state is JobState.SUCCEEDED:
                ended.add(change.job.job_id)
            if ended == submitted:
                break
