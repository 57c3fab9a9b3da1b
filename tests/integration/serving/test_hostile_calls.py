"""Hostile calls to each port of a running system: it serves on, and no job or watch notices."""

import asyncio
import json
import os

import pytest

from headrace import Client
from tests.unit.shared.serving.http2 import RawConnection, message

pytestmark = pytest.mark.timeout(180)

NOT_UTF8 = b"/\xff\xfe/x"
UNIMPLEMENTED, INVALID_ARGUMENT = 12, 3
SERVICES = {
    "gateway": b"/headrace.gateway.v1.GatewayService/SubmitJob",
    "results": b"/headrace_internal.results.v1.ResultsService/RecordResults",
    "worker": b"/headrace_internal.worker.v1.WorkerService/CancelJob",
}


async def status_of(target: str, path: bytes, body: bytes) -> int:
    async with RawConnection(target) as raw:
        raw.call(path, message(body), (b"authorization", b"Bearer planted-token \xff"))
        return await raw.status()


async def watch_while(target: str, hostile) -> str:
    """Runs a job that is watched meanwhile. Returns its last state."""
    async with Client(target) as client:
        job = await client.submit("noop", items=list(range(40)), params={"sleep_ms": 50})
        events = client.watch(job.job_id)
        async with asyncio.timeout(60):
            await anext(events)
            await hostile()
            async for event in events:
                job = event.job
    return job.state


def assert_json_without_token(service) -> None:
    text = service.log_text()
    assert "planted-token" not in text
    for line in text.splitlines():
        assert line.startswith(("{", "Headrace is ready")), line
        if line.startswith("{"):
            json.loads(line)


async def test_each_service_answers_paths_that_are_not_utf8_and_serves_on(two_gateways):
    stack = two_gateways
    targets = {
        "gateway": stack.gateway_target,
        "results": stack.results.target,
        "worker": stack.workers[0].target,
    }

    async def hostile():
        for name, target in targets.items():
            for _ in range(3):
                assert await status_of(target, NOT_UTF8, b"") == UNIMPLEMENTED
            assert await status_of(target, SERVICES[name], b"\xff\xff") == INVALID_ARGUMENT

    assert await watch_while(stack.gateway_target, hostile) == "SUCCEEDED"
    for service in (stack.gateways[0], stack.results, stack.workers[0]):
        assert_json_without_token(service)


async def test_the_embedded_system_answers_them_and_serves_on(make_embedded):
    embedded = await asyncio.to_thread(make_embedded)

    async def hostile():
        assert await status_of(embedded.gateway_target, NOT_UTF8, b"") == UNIMPLEMENTED
        body = os.urandom(8) + b"\xff\xff"
        assert await status_of(embedded.gateway_target, SERVICES["gateway"], body) == INVALID_ARGUMENT

    assert await watch_while(embedded.gateway_target, hostile) == "SUCCEEDED"
    assert_json_without_token(embedded.system)
