"""Items that kill every process that runs them end as failures, and all others succeed."""

import asyncio

import pytest

from headrace import ItemState, JobState

pytestmark = pytest.mark.timeout(240)

# A kind of another distribution, which the services find by its entry point on their module path.
KIND = """
import ctypes, os, signal
from pydantic import BaseModel
from headrace.kinds import Kind

class NoParams(BaseModel):
    pass

async def run(params, item, context):
    match item:
        case "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exits":
            os._exit(0)
        case "crashes":
            ctypes.string_at(0)
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
    """Starts the worker again after each death. Contains one entry per death."""
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


async def test_items_that_kill_their_process_are_given_up_and_harm_no_others(stack, open_client, deaths):
    hr = open_client(stack.gateway_target)
    items = [f"good {number}" for number in range(16 * 8)]
    poison = {3: "is killed", 60: "exits", 61: "crashes"}
    for index, item in poison.items():
        items[index] = item
    async with asyncio.timeout(180):
        bystander = await hr.submit("noop", [{}] * 300, {"sleep_ms": 50})
        job = await hr.submit("poison", items)
        event = [event async for event in hr.watch(job.job_id)][-1]
        other = [event async for event in hr.watch(bystander.job_id)][-1]
    assert event.state is JobState.SUCCEEDED
    assert (event.progress.succeeded_count, event.progress.failed_count) == (125, 3)
    results = {result.item_index: result async for result in hr.results(job.job_id)}
    assert sorted(results) == list(range(128))
    for index, result in results.items():
        if index in poison:
            assert (result.state, result.error.reason) == (ItemState.FAILED, "WORKER_LOST")
        else:
            assert result.output == items[index]
    assert (other.state, other.progress.succeeded_count) == (JobState.SUCCEEDED, 300)
    # Each poisoned chunk kills its worker twice, alone or with the other, and then a child process.
    assert 2 <= len(deaths) <= 2 * 2
