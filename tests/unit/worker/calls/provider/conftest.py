"""The openai adapter against a stand-in server of the test's own."""

from collections.abc import AsyncIterator

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.stand_in import StandIn
from services.worker.calls.provider import OpenAiProvider


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    server = StandIn()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def provider(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenAiProvider]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    provider = OpenAiProvider(base_url=stand_in.base_url, timeout_seconds=5.0)
    yield provider
    await provider.close()


@pytest.fixture
def usage() -> jobs_pb2.Usage:
    return jobs_pb2.Usage()
