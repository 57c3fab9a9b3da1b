"""One client on several event loops: each has a channel of its own."""

import asyncio

import pytest

from headrace import CancelledError, Client


def in_thread(make_coroutine):
    """Runs a coroutine on a new event loop in a new thread."""
    return asyncio.to_thread(lambda: asyncio.run(make_coroutine()))


async def test_a_client_works_on_one_loop_after_another(gateway):
    client = Client(gateway.target)
    for _ in range(3):
        assert await in_thread(client.kinds) == []
    assert await client.kinds() == []
    await client.close()


async def test_a_client_works_on_several_loops_at_once(gateway):
    async def call_often():
        return [await client.kinds() for _ in range(20)]

    async with Client(gateway.target) as client:
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(in_thread(call_often)) for _ in range(4)]
            calls.append(group.create_task(call_often()))
        assert all(call.result() == [[]] * 20 for call in calls)


async def test_closing_a_client_cancels_its_calls_on_other_loops(gateway, job_id):
    gateway.script(hold=True)
    client = Client(gateway.target)
    watching = asyncio.create_task(in_thread(lambda: anext(client.watch(job_id))))
    async with asyncio.timeout(30):
        await gateway.held.wait()
        await client.close()
        with pytest.raises(CancelledError) as caught:
            await watching
        await gateway.watch_cancelled.wait()
    assert caught.value.reason == "CLIENT_CLOSED"


async def test_a_client_can_be_closed_after_one_of_its_loops_was_stopped(gateway):
    client, loop = Client(gateway.target), asyncio.new_event_loop()
    await asyncio.to_thread(loop.run_until_complete, client.kinds())
    assert await client.kinds() == []
    await client.close()
    await client.close()
    loop.close()
    with pytest.raises(CancelledError):
        await client.kinds()
