"""The embedded system as its own process: killed in mid-job, it continues where it was."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
from pathlib import Path

import pytest

from deploy.local.ports import spare_port
from headrace import Client, JobState, UnavailableError
from services.stand_in import StandIn

pytestmark = pytest.mark.timeout(180)


def is_link_to(link, path):
    try:
        return link.readlink() == path
    except FileNotFoundError:  # closed since it was listed
        return False


class Embedded:
    """One embedded system on one database, started and ended."""

    def __init__(self, folder, provider_url, database="headrace.db"):
        self._port = spare_port()
        self.target = f"127.0.0.1:{self._port}"
        self.log = folder / "embedded.log"
        self._environment = {
            **os.environ,
            "HEADRACE_LISTEN": self.target,
            "HEADRACE_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/{database}",
            "HEADRACE_IN_FLIGHT_LIMIT": "20",
            "OPENAI_BASE_URL": provider_url,
        }
        self.process = None

    async def spawn(self):
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.embedded", stdout=asyncio.subprocess.PIPE, stderr=log,
                env=self._environment,
            )  # fmt: skip

    @property
    def is_running(self):
        return self.process is not None and self.process.returncode is None

    async def start(self):
        await self.spawn()
        async with asyncio.timeout(30):
            line = await self.process.stdout.readline()
        assert self.target.encode() in line, self.log.read_text()

    def has_open(self, path):
        process = Path(f"/proc/{self.process.pid}")
        if b"services.embedded" not in (process / "cmdline").read_bytes():
            return False  # still a copy of this process, with its open files
        return any(is_link_to(file, path) for file in (process / "fd").iterdir())

    async def end(self, signum):
        if self.is_running:
            self.process.send_signal(signum)
            async with asyncio.timeout(30):
                await self.process.communicate()
        return self.process.returncode


@pytest.fixture(scope="module")
async def provider():
    server = StandIn(latency_ms=50)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def stand_in(provider):
    provider.counts.reset()
    return provider


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("embedded")


@pytest.fixture(scope="module")
async def system(folder, provider):
    system = Embedded(folder, provider.base_url)
    yield system
    await system.end(signal.SIGKILL)


@pytest.fixture
async def embedded(system):
    """One embedded system for all tests, started again if a test ended it."""
    if not system.is_running:
        await system.start()
    return system


async def test_killed_in_mid_job_it_finishes_the_job_after_a_restart(
    embedded, stand_in, postings, classify, repeated_calls, calls_of_postings
):
    async with Client(embedded.target) as hr:
        job = await hr.submit("llm.classify", postings(1000), classify)
        recorded = []
        async for result in hr.results(job.job_id, follow=True):
            recorded.append(result.item_index)
            if len(recorded) >= 200:
                break
        await embedded.end(signal.SIGKILL)
        await embedded.start()
        async with asyncio.timeout(90):
            event = [event async for event in hr.watch(job.job_id)][-1]
        assert event.state is JobState.SUCCEEDED
        assert event.progress.succeeded_count == 1000
        indexes = [result.item_index async for result in hr.results(job.job_id)]
        assert [listed.progress.succeeded_count async for listed in hr.list()] == [1000]
    assert indexes == list(range(1000))
    calls = stand_in.counts.to_json(all_prompts=True)
    call_counts = calls_of_postings(calls, 1000)
    assert [index for index in recorded if call_counts[index] != 1] == []
    # Up to 20 calls were under way, and up to 200 were answered and not yet recorded.
    assert repeated_calls(calls) <= 20 + 200


async def test_without_a_provider_a_job_fails_with_that_reason_and_no_call(tmp_path, postings, classify):
    system = Embedded(tmp_path, "")
    await system.start()
    async with Client(system.target) as hr, asyncio.timeout(30):
        job = await hr.submit("llm.classify", postings(50), classify)
        job = [event async for event in hr.watch(job.job_id)][-1].job
    assert job.state is JobState.FAILED
    assert job.error.reason == "PROVIDER_NOT_CONFIGURED"
    assert job.usage.call_count == 0
    assert await system.end(signal.SIGTERM) == 0


async def test_asked_to_stop_it_drains_and_exits_with_0(
    embedded, postings, classify, stand_in, repeated_calls
):
    async with Client(embedded.target) as hr:
        job = await hr.submit("llm.classify", postings(400, "drained-"), classify)
        async for event in hr.watch(job.job_id):
            if event.progress.succeeded_count >= 50:
                break
        assert await embedded.end(signal.SIGTERM) == 0
        await embedded.start()
        async with asyncio.timeout(60):
            event = [event async for event in hr.watch(job.job_id)][-1]
    assert event.state is JobState.SUCCEEDED
    assert repeated_calls(stand_in.counts.to_json(all_prompts=True)) == 0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_in_mid_job_writes_nothing_but_log_lines(tmp_path, provider, signum):
    system = Embedded(tmp_path, provider.base_url)
    await system.start()
    async with Client(system.target, resume_timeout=0.1) as hr:
        job = await hr.submit("noop", range(1000), {"sleep_ms": 50})
        events = hr.watch(job.job_id)
        while not (await anext(events)).progress.succeeded_count:
            pass
        assert await system.end(signum) == 0
        with pytest.raises(UnavailableError):
            [event async for event in events]
    for line in system.log.read_text().splitlines():
        assert json.loads(line)["event"]


@pytest.mark.parametrize("place", ["file/folder/headrace.db", "folder"])
async def test_a_place_that_cannot_hold_the_database_is_named_in_the_log(tmp_path, provider, place):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    system = Embedded(tmp_path, provider.base_url, database=place)
    with pytest.raises(AssertionError, match="embedded_not_started") as failure:
        await system.start()
    assert await system.process.wait() == 1
    assert "STORAGE_FAILED" in str(failure.value)
    assert "Traceback" not in str(failure.value)


async def test_a_port_in_use_ends_the_start_with_a_line_that_names_it(tmp_path, stand_in):
    system = Embedded(tmp_path, stand_in.base_url)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", int(system.target.rpartition(":")[2])))
        holder.listen()
        with pytest.raises(AssertionError, match="embedded_not_started") as failure:
            await system.start()
        assert await system.process.wait() == 1
    assert system.target in str(failure.value)
    assert "Traceback" not in str(failure.value)


async def test_asked_to_stop_while_it_waits_for_its_database_it_exits_with_0(embedded, folder):
    await embedded.end(signal.SIGTERM)
    database = sqlite3.connect(folder / "headrace.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    await embedded.spawn()
    async with asyncio.timeout(30):
        while not embedded.has_open(folder / "headrace.db"):
            await asyncio.sleep(0.05)
    assert await embedded.end(signal.SIGTERM) == 0
    database.close()
