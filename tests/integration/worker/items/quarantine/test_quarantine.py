"""Items in a child process: the harm they do stays there."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.items.quarantine import ChildDiedError, child_process
from services.worker.items.quarantine import quarantine as module

pytestmark = pytest.mark.timeout(60)


async def pid_of(run):
    return int((await run('"pid"')).output)


async def until_gone(pid):
    """Waits until a process has ended; a zombie counts as ended."""
    try:
        while Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX":
            await asyncio.sleep(0.01)
    except (FileNotFoundError, ProcessLookupError):
        pass


async def test_items_of_one_child_run_at_once_and_in_another_process(run):
    pids = {(await result).output for result in asyncio.as_completed([run('"pid"') for _ in range(5)])}
    assert len(pids) == 1
    assert int(pids.pop()) != os.getpid()


async def test_an_item_runs_as_in_the_worker(run):
    outcome = await run('{"a": [1, "ä"]}')
    assert (outcome.output, outcome.error, outcome.attempt_count) == ('{"a":[1,"ä"]}', None, 1)


async def test_a_failed_call_has_a_retry_delay(run, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    outcome = await run('"complete"')
    assert outcome.error.reason == "PROVIDER_UNREACHABLE"
    assert outcome.retry_delay is not None
    assert outcome.usage.call_count == 1


@pytest.mark.parametrize("death", ['"exit"', '"segfault"'])
async def test_a_death_ends_all_items_in_flight_and_later_ones_get_a_new_child(run, begin, death):
    pid = await pid_of(run)
    others = [await begin("wait") for _ in range(2)]
    with pytest.raises(ChildDiedError):
        await run(death)
    for other in others:
        with pytest.raises(ChildDiedError):
            await other
    assert await pid_of(run) != pid
    await until_gone(pid)


async def test_an_item_that_takes_too_much_memory_fails_and_harms_no_other(run):
    pid = await pid_of(run)
    outcome = await run('"allocate"')
    assert (outcome.error.reason, outcome.error.message) == (
        "HANDLER_ERROR",
        "the kind's handler raised MemoryError",
    )
    assert await pid_of(run) == pid


async def test_a_cancelled_item_ends_in_the_child_too(run, begin):
    pid = await pid_of(run)
    waiting = await begin("wait")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await pid_of(run) == pid


async def test_the_call_of_a_cancelled_item_is_counted_on_it(run_leased, silent_provider):
    leased = results_pb2.LeasedItem(item_index=0, input='"complete"', usage=jobs_pb2.Usage(call_count=2))
    waiting = asyncio.create_task(run_leased(leased))
    await silent_provider.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert leased.usage.call_count == 3


async def test_a_child_that_cannot_cancel_an_item_is_killed(run, begin, monkeypatch):
    monkeypatch.setattr(child_process, "CANCEL_SECONDS", 0.2)
    pid = await pid_of(run)
    blocked = await begin("block")
    blocked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await blocked
    assert await pid_of(run) != pid


async def test_a_stuck_child_counts_as_dead(run, monkeypatch):
    monkeypatch.setattr(child_process, "SILENCE_SECONDS", 0.2)
    with pytest.raises(ChildDiedError):
        await run('"block"')


async def test_a_child_without_work_is_ended(run, monkeypatch):
    monkeypatch.setattr(module, "IDLE_SECONDS", 0)
    pid = await pid_of(run)
    await until_gone(pid)
    assert await pid_of(run) != pid


async def test_closing_ends_the_child_and_the_items_in_flight_in_it(run, begin, quarantine):
    pid = await pid_of(run)
    waiting = await begin("wait")
    await quarantine.close()
    with pytest.raises(ChildDiedError):
        await waiting
    await until_gone(pid)


async def test_a_child_dies_with_its_worker_even_while_it_is_stuck():
    """The kernel kills it: a stuck child does not notice the end of its socket."""
    child = (
        "import os, sys, time; from services.worker.items.quarantine.limits import die_with_parent; "
        "die_with_parent(int(sys.argv[1])); print(os.getpid(), flush=True); time.sleep(3600)"
    )
    parent = (
        "import os, subprocess, sys, time; "
        f"subprocess.Popen([sys.executable, '-c', {child!r}, str(os.getpid())]); time.sleep(3600)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, stdout=asyncio.subprocess.PIPE
    )
    child_pid = int(await process.stdout.readline())
    process.kill()
    assert await process.stdout.read() == b""  # the pipe's last writer is gone
    await process.wait()
    await until_gone(child_pid)
