"""The stacks of real processes that end-to-end tests use."""

import asyncio

import pytest

from deploy.local.health import is_serving
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


async def test_a_job_runs_through_a_stack_of_real_processes(two_gateways: TestStack) -> None:
    assert await run_noop_job(two_gateways.gateway_target) == 3


async def test_killed_workers_restart_at_their_ports(two_gateways: TestStack) -> None:
    for worker in two_gateways.workers:
        worker.kill()
        assert not is_serving(worker.target)
    for worker in two_gateways.workers:
        await asyncio.to_thread(worker.restart)
        assert is_serving(worker.target)
    assert await run_noop_job(two_gateways.gateway_target) == 3
