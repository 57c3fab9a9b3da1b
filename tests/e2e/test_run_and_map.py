"""Outputs come in the order of items from a real system, also while it is killed and started again."""

import asyncio
import contextlib
import io
import subprocess
import sys

import pytest

from headrace import Client, ItemUnsuccessfulError, JobState

pytestmark = pytest.mark.timeout(300)

CLASSIFY = {"labels": ["Engineering", "Design"], "template": "Posting {number}: {title}"}


async def test_a_map_keeps_the_order_over_a_killed_system(make_embedded, open_client):
    system = await asyncio.to_thread(make_embedded, settings={"HEADRACE_IN_FLIGHT_LIMIT": "50"})
    client = open_client(system.gateway_target)
    prompts = {"prompt": "Say {number}"}
    found = []
    async with asyncio.timeout(200):
        items = [{"number": f"<{number}>"} for number in range(2000)]
        outputs = client.map("llm.complete", items, prompts)
        async for output in outputs:
            found.append(output["text"])
            if len(found) == 200:
                await asyncio.to_thread(system.system.kill)
                await asyncio.to_thread(system.system.start)
    assert len(found) == 2000
    (job,) = [job async for job in client.list()]
    assert job.state is JobState.SUCCEEDED
    recorded = [result.output["text"] async for result in client.results(job.job_id)]
    assert found == recorded


async def test_progress_says_that_it_reconnects_to_a_killed_system(make_embedded, open_client):
    system = await asyncio.to_thread(make_embedded)
    client = open_client(system.gateway_target)
    job = await client.submit("noop", range(100), {"sleep_ms": 3000})
    out = io.StringIO()
    showing = asyncio.create_task(client.progress(job, file=out))
    async with asyncio.timeout(100):
        while "RUNNING" not in out.getvalue():
            await asyncio.sleep(0.05)
        await asyncio.to_thread(system.system.kill)
        while "reconnecting" not in out.getvalue():
            await asyncio.sleep(0.05)
        await asyncio.to_thread(system.system.start)
        assert (await showing).state is JobState.SUCCEEDED
    assert out.getvalue().splitlines()[-1] == "SUCCEEDED 100/100"


async def test_failed_items_come_in_their_places(make_embedded, open_client):
    system = await asyncio.to_thread(make_embedded)
    client = open_client(system.gateway_target)
    items = [{"number": number, "title": "Engineer" if number % 3 else None} for number in range(30)]
    items = [item if item["title"] else {"number": item["number"]} for item in items]
    params = {**CLASSIFY, "template": "{title}"}
    outputs = [output async for output in client.map("llm.classify", items, params, on_failure="yield")]
    failed = [number for number, output in enumerate(outputs) if isinstance(output, ItemUnsuccessfulError)]
    assert failed == list(range(0, 30, 3))
    assert {outputs[number].reason for number in failed} == {"FIELD_MISSING"}
    assert [outputs[number].result.item_index for number in failed] == failed


async def test_a_map_that_is_left_stops_spending(make_embedded, open_client):
    system = await asyncio.to_thread(make_embedded)
    client = open_client(system.gateway_target)
    async with contextlib.aclosing(client.map("noop", range(10_000), {"sleep_ms": 100})) as outputs:
        async for _ in outputs:
            break
    (job,) = [job async for job in client.list()]
    async with asyncio.timeout(60):
        last = [event async for event in client.watch(job.job_id)][-1]
    assert last.state is JobState.CANCELLED
    assert last.progress.succeeded_count < 10_000


MAPPED = """
import resource, sys
from headrace import SyncClient

def items():
    for number in range(20_000):
        yield {"number": number, "text": "x" * 4000}

with SyncClient(sys.argv[1]) as hr:
    list(hr.map("noop", range(1000)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(sum(1 for output in hr.map("noop", items()) if output == {}))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


async def test_a_map_of_20_000_items_is_held_in_bounded_memory(make_embedded):
    system = await asyncio.to_thread(make_embedded)
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", MAPPED, system.gateway_target],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    count, grown_kilobytes = map(int, done.stdout.split())
    assert count == 20_000
    assert grown_kilobytes < 60_000, "80 MB of items"


async def test_run_returns_results_of_a_real_system(make_embedded):
    system = await asyncio.to_thread(make_embedded)
    async with Client(system.gateway_target) as client:
        results = await client.run("noop", range(3000), progress=False)
    assert [result.item_index for result in results] == list(range(3000))
