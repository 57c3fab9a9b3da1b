"""``make demo`` does the main job, says what came out, and leaves nothing running."""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from deploy.local.stand_in import StandIn


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def all_ended(pids: set[int]) -> None:
    async with asyncio.timeout(20):
        while any(is_running(pid) for pid in pids):
            await asyncio.sleep(0.02)


async def test_it_classifies_real_postings_and_shows_what_came_out(start_demo):
    demo = await start_demo(DEMO_ITEMS="300")
    await demo.read_until("is stored")
    children = demo.child_pids()
    assert len(children) == 2
    assert await demo.exit_code() == 0, demo.output
    assert "It is no language model" in demo.output
    assert "engineering" in demo.output
    agreement = re.search(r"Agreement with the listings' own category: ([\d.]+)%", demo.output)
    assert agreement
    assert float(agreement[1]) > 40
    assert re.search(r"Calls: 300   Tokens: [\d,]+ in, [\d,]+ out", demo.output)
    assert re.search(r"Duration: [\d.]+ s   [\d,]+ items/s", demo.output)
    assert not any(is_running(pid) for pid in children)


async def test_a_second_run_is_a_new_job(start_demo):
    jobs = []
    for _ in range(2):
        demo = await start_demo(DEMO_ITEMS="5")
        assert await demo.exit_code() == 0, demo.output
        jobs.append(re.search(r"Job (\S+) is stored", demo.output)[1])
    assert jobs[0] != jobs[1]


async def test_it_says_how_many_calls_it_will_make_before_it_makes_them(start_demo):
    provider = StandIn(latency_ms=1)
    await provider.start()
    demo = await start_demo(OPENAI_BASE_URL=provider.base_url, DEMO_ITEMS="20", DEMO_MODEL="some-model")
    await demo.read_until("will make 20 calls to 127.0.0.1 with the model some-model")
    assert provider.counts.call_count == 0
    assert await demo.exit_code() == 0, demo.output
    assert provider.counts.call_count == 20
    assert "stand-in" not in demo.output
    await provider.stop()


async def test_a_provider_that_refuses_the_key_ends_it_with_the_reason(start_demo):
    provider = StandIn()
    await provider.start()
    provider.behaviour.update({"fail_all": {"status": 401}})
    demo = await start_demo(OPENAI_BASE_URL=provider.base_url, OPENAI_API_KEY="sk-wrong")
    assert await demo.exit_code() == 1
    assert "PROVIDER_KEY_REFUSED" in demo.output
    assert "sk-wrong" not in demo.output
    await provider.stop()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_stopping_it_stops_everything_it_started(start_demo, signum):
    demo = await start_demo()
    await demo.read_until("is stored")
    children = demo.child_pids()
    os.kill(demo.process.pid, signum)
    assert await demo.exit_code() == 130
    assert "Traceback" not in demo.output
    assert not any(is_running(pid) for pid in children)


async def test_killing_it_stops_everything_it_started_too(start_demo):
    demo = await start_demo()
    await demo.read_until("is stored")
    children = demo.child_pids()
    demo.process.kill()
    await all_ended(children)


async def test_a_bad_number_of_items_is_named(start_demo):
    demo = await start_demo(DEMO_ITEMS="many")
    assert await demo.exit_code() == 2
    assert "DEMO_ITEMS" in demo.output
