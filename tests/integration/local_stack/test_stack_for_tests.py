"""The stacks of real processes that end-to-end tests use."""

import asyncio
from collections.abc import Callable

import pytest

from deploy.local.health import is_serving
from deploy.local.testing.embedded import TestEmbedded
from deploy.local.testing.stack import TestStack
from headrace import Client

pytestmark = pytest.mark.timeout(180)


async def run_noop_job(target: str, item_count: int = 3) -> int:
    """Returns how many items of a noop job succeeded."""
    async with Client(target) as client:
        job = await client.submit("noop", items=list(range(item_count)))
        async for event in client.watch(job.job_id):
            job = event.job
        return job.progress.succeeded_count


async def test_a_job_runs_through_a_stack_of_real_processes(stack: TestStack) -> None:
    assert await run_noop_job(stack.gateway_target) == 3


async def test_a_killed_worker_restarts_at_its_port(make_stack: Callable[..., TestStack]) -> None:
    stack = make_stack(workers=1)
    worker = stack.workers[0]
    worker.kill()
    assert not is_serving(worker.target)
    await asyncio.to_thread(worker.restart)
    assert is_serving(worker.target)
    assert await run_noop_job(stack.gateway_target) == 3


async def test_a_rabbitmq_of_its_own_can_be_wiped_and_started_again(
    make_stack: Callable[..., TestStack],
) -> None:
    stack = make_stack(workers=1, own_servers=["rabbitmq"])
    await asyncio.to_thread(stack.rabbitmq.kill)
    await asyncio.to_thread(stack.rabbitmq.wipe)
    await asyncio.to_thread(stack.rabbitmq.start)
    await asyncio.to_thread(stack.rabbitmq.wait_ready)
    assert stack.rabbitmq.url == stack.rabbitmq_url
    assert await run_noop_job(stack.gateway_target) == 3


async def test_the_embedded_system_keeps_its_jobs_over_a_kill(
    make_embedded: Callable[..., TestEmbedded],
) -> None:
    embedded = make_embedded()
    assert await run_noop_job(embedded.gateway_target) == 3
    embedded.system.kill()
    await asyncio.to_thread(embedded.system.restart)
    async with Client(embedded.gateway_target) as client:
        assert [job.progress.succeeded_count async for job in client.list()] == [3]
