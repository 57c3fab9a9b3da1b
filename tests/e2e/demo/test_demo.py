"""``make demo`` runs a job on real postings, shows the outcome, and leaves nothing running."""

import asyncio
import os
import re
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.stand_in import StandIn


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def all_ended(pids: set[int]) -> None:
    async with asyncio.timeout(20):
        while any(is_running(pid) for pid in pids):
            await asyncio.sleep(0.02)


def job_id(output: str) -> str:
    return re.search(r"Job (\S+) is stored", output)[1]


@pytest.fixture(scope="module")
async def first_run(start_demo):
    """A run that has ended, with its output, children and exit code."""
    demo = await start_demo(DEMO_ITEMS="300")
    await demo.read_until("is stored")
    children = demo.child_pids()
    return SimpleNamespace(children=children, exit_code=await demo.exit_code(), output=demo.output)


async def test_it_classifies_real_postings_and_shows_the_outcome(first_run):
    assert len(first_run.children) == 2
    assert first_run.exit_code == 0, first_run.output
    assert re.search("It is (?:no|not a) language model", first_run.output)
    assert "engineering" in first_run.output
    agreement = re.search(r"Agreement with the listings' own category: ([\d.]+)%", first_run.output)
    assert agreement
    assert float(agreement[1]) > 40
    assert re.search(r"Calls: 300   Tokens: [\d,]+ in, [\d,]+ out", first_run.output)
    assert re.search(r"Duration: [\d.]+ s   [\d,]+ items/s", first_run.output)
    assert not any(is_running(pid) for pid in first_run.children)


async def test_a_second_run_is_a_new_job_and_killing_it_stops_everything_it_started(start_demo, first_run):
    demo = await start_demo(DEMO_ITEMS="300")
    await demo.read_until("is stored")
    assert job_id(demo.output) != job_id(first_run.output)
    children = demo.child_pids()
    demo.process.kill()
    await all_ended(children)


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


async def test_a_bad_number_of_items_is_named(start_demo):
    demo = await start_demo(DEMO_ITEMS="many")
    assert await demo.exit_code() == 2
    assert "DEMO_ITEMS" in demo.output
