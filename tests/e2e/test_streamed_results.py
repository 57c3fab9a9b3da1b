"""Results streamed to a slow reader: the gateway waits and buffers almost nothing."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from headrace import JobState

pytestmark = pytest.mark.timeout(180)

MB = 1024 * 1024
ITEMS = 400
RESPONSE = "x" * 250_000  # 100 MB in all


def resident_bytes(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


async def ended(client, job_id):
    async with asyncio.timeout(120):
        event = [event async for event in client.watch(job_id)][-1]
    assert event.state is JobState.SUCCEEDED


async def read_all(client, job_id):
    """Returns the indexes of a job's results, read as fast as possible."""
    async with asyncio.timeout(60):
        return [result.item_index async for result in client.results(job_id, follow=True)]


@pytest.fixture
def stand_in(two_gateways, open_stand_in):
    return open_stand_in(two_gateways.stand_in_url)


@pytest.fixture
async def large_job(two_gateways, open_client, stand_in):
    """A job whose results are much larger than a gateway may buffer."""
    await stand_in.set(answer_when_contains={"write a long text": RESPONSE}, latency_ms=0)
    hr = open_client(two_gateways.gateway_target)
    params = {"prompt": "write a long text about {number}", "model": "stand-in"}
    job = await hr.submit("llm.complete", [{"number": n} for n in range(ITEMS)], params)
    await ended(hr, job.job_id)
    yield job
    await stand_in.set(reset=True)


async def test_a_slow_reader_costs_the_gateway_no_memory_and_loses_nothing(
    two_gateways, open_client, large_job
):
    gateway = two_gateways.gateways[0].process
    slow, quick = (open_client(two_gateways.gateway_target) for _ in range(2))
    assert sorted(await read_all(quick, large_job.job_id)) == list(range(ITEMS))
    before = resident_bytes(gateway)
    async with aclosing(slow.results(large_job.job_id, follow=True)) as results:
        indexes = [(await anext(results)).item_index]
        # A gateway that did not wait would read everything for this reader while another reads everything.
        await read_all(quick, large_job.job_id)
        assert resident_bytes(gateway) < before + 40 * MB
        async for result in results:
            indexes.append(result.item_index)
    assert sorted(indexes) == list(range(ITEMS))
    assert resident_bytes(gateway) < 300 * MB
