"""An item that kills every worker that runs it ends as a failure, and the items beside it succeed."""

import asyncio

import pytest

from headrace import ItemState, JobState

pytestmark = pytest.mark.timeout(240)

# A kind as another distribution brings it: found by its entry point, on the module path of the services.
KIND = """
import os, signal
from pydantic import BaseModel
from headrace.kinds import Kind

class NoParams(BaseModel):
    pass

async def run(params, item, context):
    if item == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    return item

POISON = Kind(name="poison", description="Dies of some items.", params_model=NoParams, run=run)
"""
ENTRY_POINT = "[headrace.kinds]\npoison = poison_kind:POISON\n"
METADATA = "Metadata-Version: 2.1\nName: poison-kind\nVersion: 1\n"


@pytest.fixture
def stack(make_stack, tmp_path):
    distribution = tmp_path / "poison_kind-1.dist-info"
    distribution.mkdir()
    (tmp_path / "poison_kind.py").write_text(KIND)
    (distribution / "entry_points.txt").write_text(ENTRY_POINT)
    (distribution / "METADATA").write_text(METADATA)
    path = {"PYTHONPATH": str(tmp_path)}
    return make_stack(workers=1, worker_settings=path, gateway_settings=path)


@pytest.fixture
async def deaths(stack):
    """Starts the worker again whenever it has died; holds one entry a death."""
    (worker,), deaths, is_over = stack.workers, [], False

    def keep_running():
        while not is_over:
            if worker.process.wait_ended(0.2):
                deaths.append(worker.process.pid)
                worker.start()

    keeper = asyncio.create_task(asyncio.to_thread(keep_running))
    yield deaths
    is_over = True
    await keeper


async def test_an_item_that_kills_its_worker_is_given_up_and_harms_no_other(stack, open_client, deaths):
    hr = open_client(stack.gateway_target)
    items = ["poison" if number == 3 else f"good {number}" for number in range(8)]
    async with asyncio.timeout(180):
        job = await hr.submit("poison", items)
        event = [event async for event in hr.watch(job.job_id)][-1]
    assert event.state is JobState.SUCCEEDED
    assert (event.progress.succeeded_count, event.progress.failed_count) == (7, 1)
    results = {result.item_index: result async for result in hr.results(job.job_id)}
    poison = results.pop(3)
    assert poison.state is ItemState.FAILED
    assert poison.error.reason == "WORKER_LOST"
    assert [results[number].output for number in results] == [items[number] for number in results]
    assert len(results) == 7
    # Twice beside others, then alone, where the death of a whole worker counts at every second.
    assert len(deaths) == 2 + 2 * 3
