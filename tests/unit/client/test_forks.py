"""Real forks of processes that used a client: a child works or fails with CLIENT_FORKED, and ends."""

import asyncio
import json
import os
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

# Forks a child for each of its arguments, in the state that its first argument names. Prints the outcomes.
PROGRAM = """
import asyncio, gc, json, multiprocessing, os, signal, sys, threading, time
from headrace import Client, HeadraceError, SyncClient

target, state, *children = sys.argv[1:]
made = []


async def call_once(client):
    await client.kinds()


async def use_and_close():
    async with Client(target) as client:
        await client.kinds()
    made.append(client)


def prepare():
    if state == "unused":
        made.append(SyncClient(target))
    if state in ("sync open", "sync closed"):
        made.append(SyncClient(target))
        made[0].kinds()
    if state == "sync closed":
        made[0].close()
    if state == "async open":
        made.append(Client(target))
        asyncio.run(call_once(made[0]))
    if state == "async closed":
        asyncio.run(use_and_close())
    if state == "many threads":
        made.append(SyncClient(target))
        for _ in range(4):
            threading.Thread(target=call_for_ever, daemon=True).start()
        time.sleep(0.2)


def call_for_ever():
    while True:
        made[0].kinds()


def use(child):
    if child == "same":
        client = made[0]
        if isinstance(client, SyncClient):
            client.kinds()
        else:
            asyncio.run(call_once(client))
    if child == "new":
        with SyncClient(target) as client:
            client.kinds()
    if child == "new async":
        asyncio.run(use_and_close())
    if child == "close":
        client = made.pop()
        client.close() if isinstance(client, SyncClient) else asyncio.run(client.close())
    if child == "collect":
        made.clear()
        gc.collect()
    if child == "grandchild":
        report(fork(lambda: use("new")))


def run(work):
    try:
        work()
    except HeadraceError as error:
        return {"CLIENT_FORKED": 10, "CLIENT_CLOSED": 11}.get(error.reason, 12)
    return 0


def report(code):
    sys.exit(code) if code else None


def wait(child):
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs"


def fork(work):
    child = os.fork()
    if child == 0:
        sys.exit(run(work))
    return wait(child)


def fork_with_multiprocessing(work):
    process = multiprocessing.get_context("fork").Process(target=lambda: sys.exit(run(work)))
    process.start()
    process.join(20)
    code = "hangs" if process.is_alive() else process.exitcode
    process.kill()
    return code


prepare()
outcomes = {child: fork(lambda: use(child)) for child in children}
outcomes["multiprocessing"] = fork_with_multiprocessing(lambda: use("new"))
print(json.dumps(outcomes))
sys.stdout.flush()
os._exit(0) if state == "many threads" else None
"""

WORKS, FORKED, CLOSED = 0, 10, 11
CHILDREN = ("exit", "same", "new", "new async", "close", "collect", "grandchild")


async def outcomes(target: str, state: str, *children: str) -> dict[str, object]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, target, state, *children, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(120):
        printed, _ = await process.communicate()
    assert process.returncode == 0, f"the parent ended with {process.returncode}"
    return json.loads(printed.splitlines()[-1])


@pytest.mark.parametrize("state", ["sync open", "async open", "many threads"])
async def test_a_child_of_a_process_with_an_open_client_is_told_so_and_ends(gateway, state):
    assert await outcomes(gateway.target, state, *CHILDREN) == {
        "exit": WORKS,
        "same": FORKED,
        "new": FORKED,
        "new async": FORKED,
        "close": WORKS,
        "collect": WORKS,
        "grandchild": FORKED,
        "multiprocessing": FORKED,
    }


@pytest.mark.parametrize("state", ["sync closed", "async closed"])
async def test_a_child_of_a_process_that_closed_its_clients_can_use_a_new_one(gateway, state):
    assert await outcomes(gateway.target, state, *CHILDREN) == {
        "exit": WORKS,
        "same": FORKED,
        "new": WORKS,
        "new async": WORKS,
        "close": WORKS,
        "collect": WORKS,
        "grandchild": WORKS,
        "multiprocessing": WORKS,
    }


async def test_a_client_that_was_not_used_before_the_fork_works_after_it(gateway):
    found = await outcomes(gateway.target, "unused", *CHILDREN)
    assert set(found.values()) == {WORKS}


# Forks in a coroutine while other tasks of the loop make calls. The child continues with the same loop.
IN_A_COROUTINE = """
import asyncio, multiprocessing, os, sys
from headrace import Client, HeadraceError, SyncClient


def work(target):
    try:
        SyncClient(target).kinds()
    except HeadraceError as error:
        sys.exit(10 if error.reason == "CLIENT_FORKED" else 1)


async def continue_in(child, client, calls):
    if child == "exit":
        sys.exit(10)
    if child == "end":
        return 10
    if child == "new call":
        calls = [client.kinds()]
    reasons = {getattr(e, "reason", e) for e in await asyncio.gather(*calls, return_exceptions=True)}
    return 10 if reasons == {"CLIENT_FORKED"} else 1


async def main(child, target, job_id):
    async with Client(target) as client:
        await client.kinds()
        calls = [asyncio.create_task(client.kinds()) for _ in range(3)]
        calls.append(asyncio.create_task(anext(client.watch(job_id))))
        calls.append(asyncio.create_task(anext(client.results(job_id, follow=True))))
        calls.append(asyncio.create_task(client.submit("noop", one_item_for_ever())))
        await asyncio.sleep(0 if child == "old call" else 0.2)
        if child == "multiprocessing":
            process = multiprocessing.get_context("fork").Process(target=work, args=(target,))
            process.start()
            await asyncio.to_thread(process.join, 20)
            code = "hangs" if process.is_alive() else process.exitcode
            process.kill()
        else:
            if (pid := os.fork()) == 0:
                return await continue_in(child, client, calls[:3])
            code = await asyncio.to_thread(lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        print(code, len(await client.kinds()))
        for call in calls:
            call.cancel()


async def one_item_for_ever():
    yield 1
    await asyncio.Event().wait()


sys.exit(asyncio.run(main(*sys.argv[1:])))
"""


@pytest.mark.parametrize("child", ["multiprocessing", "exit", "end", "new call", "old call"])
async def test_a_child_forked_in_a_coroutine_is_told_so_and_ends(gateway, job_id, child):
    gateway.script(hold=True)
    gateway.script_results(0, hold=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", IN_A_COROUTINE, child, gateway.target, job_id),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        printed, _ = await process.communicate()
    assert (process.returncode, printed) == (0, b"10 0\n")
