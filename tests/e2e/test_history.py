"""History and usage, as a client sees them on the embedded system."""

import asyncio

import pytest

from headrace import Client, JobState

pytestmark = pytest.mark.timeout(120)

PARAMS = {"prompt": "Say {n}.", "model": "small"}


async def test_a_client_sees_what_happened_to_its_job_and_what_it_used(make_embedded):
    embedded = await asyncio.to_thread(make_embedded, stand_in_arguments=["--latency-ms", "300"])
    async with Client(embedded.gateway_target) as hr:
        job = await hr.submit("llm.complete", [{"n": n} for n in range(300)], PARAMS)
        await hr.pause(job.job_id)
        await hr.resume(job.job_id)
        async for event in hr.watch(job.job_id):
            last = event
        assert last.state is JobState.SUCCEEDED
        history = [event async for event in hr.history(job.job_id)]
        changes = [event.change for event in history if event.change != "STARTED"]
        assert changes == ["CREATED", "PAUSED", "RESUMED", "ENDED"]
        assert [event.number for event in history] == sorted({event.number for event in history})
        asked = [event.actor for event in history if event.change in ("PAUSED", "RESUMED")]
        assert all(actor.startswith("127.0.0.1 (headrace-python/") for actor in asked)
        report = await hr.usage(by=["model", "kind"])
        (group,) = report.groups
        assert (group.model, group.kind, group.job_count) == ("small", "llm.complete", 1)
        assert group.usage.call_count == last.job.usage.call_count
        assert group.usage.input_tokens == last.job.usage.input_tokens > 0
