"""The embedded system and its client with the variables of a proxy that leads nowhere."""

import pytest

from headrace import Client, JobState

pytestmark = pytest.mark.timeout(120)

DEAD = "http://name:secret@127.0.0.1:9"
NAMES = (
    "grpc_proxy",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
)


async def test_a_job_runs_on_loopback_although_every_proxy_variable_is_set(make_embedded, monkeypatch):
    for name in NAMES:
        monkeypatch.setenv(name, DEAD)
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.setenv(name, "")
    embedded = make_embedded(settings=dict.fromkeys(NAMES, DEAD) | {"no_proxy": "", "NO_PROXY": ""})
    params = {"labels": ["good", "bad"], "template": "{text}"}
    async with Client(embedded.gateway_target) as client:
        job = await client.submit("llm.classify", [{"text": "fine"}], params)
        async for event in client.watch(job.job_id):
            job = event.job
    assert job.state == JobState.SUCCEEDED
    assert job.progress.succeeded_count == 1
