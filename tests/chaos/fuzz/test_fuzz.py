"""Random requests to an embedded system: nothing ends with UNKNOWN or INTERNAL, and nothing is leaked."""

import gc
import os

import pytest

from services.embedded.app import EmbeddedApp
from services.embedded.settings import EmbeddedSettings
from tests.chaos.fuzz.calls import open_descriptors, resident_bytes, send_random_requests
from tests.chaos.fuzz.phase import GATEWAY, MB, RESULTS, WORKER, submit_jobs
from tests.chaos.fuzz.requests import RequestMaker


@pytest.fixture
async def system(tmp_path, monkeypatch):
    """The services with their addresses."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    settings = EmbeddedSettings(
        listen="127.0.0.1:0",
        database_url=f"sqlite+aiosqlite:///{tmp_path / 'fuzz.db'}",
    )
    app = EmbeddedApp(settings)
    await app.start()
    results, worker, gateway = app._started
    yield [(GATEWAY, gateway.target), (RESULTS, results.target), (WORKER, worker.target)]
    await app.stop()


async def test_no_request_is_answered_with_unknown_or_internal(system):
    maker = RequestMaker(7, await submit_jobs(system[0][1]))
    await send_random_requests(system, 300, maker)  # what the first calls load stays
    gc.collect()
    memory, descriptors = resident_bytes(os.getpid()), open_descriptors(os.getpid())
    tally = await send_random_requests(system, 2_700, maker)
    gc.collect()
    assert tally.faults == {}
    assert sum(tally.codes.values()) == 2_700
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND"} <= set(tally.codes)
    assert resident_bytes(os.getpid()) - memory < 100 * MB
    assert open_descriptors(os.getpid()) - descriptors < 20
