"""A stack with one worker and few slots. The tests of this folder run in one process and share it."""

import asyncio

import pytest

from deploy.local.testing.stack import TestStack


@pytest.fixture(scope="session")
async def connection(make_proxy):
    """A proxy between the gateway and the worker."""
    proxy = make_proxy()
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture(scope="session")
async def one_worker(servers, connection):
    """A stack whose only worker runs 20 items at the same time and drains for 3 s."""
    settings = {
        "HEADRACE_WORKER_ADVERTISE": f"127.0.0.1:{connection.port}",
        "HEADRACE_DRAIN_SECONDS": "3",
        "HEADRACE_IN_FLIGHT_LIMIT": "20",
    }
    stack = await asyncio.to_thread(TestStack, servers, workers=1, worker_settings=settings)
    connection.upstream_port = stack.workers[0].port
    await asyncio.to_thread(stack.start)
    yield stack
    await asyncio.to_thread(stack.close)


@pytest.fixture
def hr(one_worker, open_client):
    return open_client(one_worker.gateway_target)


@pytest.fixture
async def stand_in(one_worker, open_stand_in):
    """The provider of the stack with its counts at 0. Its behaviour is reset afterwards."""
    control = open_stand_in(one_worker.stand_in_url)
    await control.set(reset=True)
    yield control
    await control.set(reset=True)


@pytest.fixture
def until_calls(stand_in):
    """Waits until the provider has counted at least these calls, such as ``answered_count=100``."""

    async def wait(**counts):
        async with asyncio.timeout(60):
            while True:
                calls = await stand_in.calls()
                if all(calls[name] >= count for name, count in counts.items()):
                    return
                await asyncio.sleep(0.02)

    return wait
