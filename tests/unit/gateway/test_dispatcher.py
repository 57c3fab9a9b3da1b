import asyncio

import pytest
from structlog.testing import capture_logs

from headrace.errors import UnavailableError
from services.gateway import dispatcher
from services.gateway.dispatcher import Dispatcher
from services.gateway.store import StoreClient
from services.shared.serving.rpc_client import open_channel
from services.stubs.results.v1 import results_pb2


class GivenStore:
    """Replies to sweeps in the given order, and then never again."""

    def __init__(self, *replies):
        self._replies = list(replies)
        self.is_done = asyncio.Event()

    async def sweep(self):
        if not self._replies:
            self.is_done.set()
            await asyncio.Event().wait()
        reply = self._replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


class Ignored:
    """Takes whatever the dispatcher passes on."""

    def __getattr__(self, name):
        return lambda *args: None


@pytest.fixture
def sweep(monkeypatch):
    """Returns the log lines of a dispatcher whose sweeps get the given replies."""
    monkeypatch.setattr(dispatcher, "SWEEP_SECONDS", 0.0)

    async def run(*replies):
        store = GivenStore(*replies)
        with capture_logs() as logs:
            running = asyncio.create_task(Dispatcher(store, Ignored(), Ignored()).run())
            async with asyncio.timeout(10):
                await store.is_done.wait()
            running.cancel()
            await asyncio.wait([running])
        return logs

    return run


async def test_a_store_that_is_away_and_one_that_is_back_are_logged_once(sweep):
    away, response = UnavailableError("away", reason="STORE_AWAY"), results_pb2.SweepResponse()
    logs = await sweep(response, away, away, response, response)
    assert [line["event"] for line in logs] == ["sweep_degraded", "sweep_restored"]
    assert logs[0]["reason"] == "STORE_AWAY"


async def test_the_log_says_why_the_store_cannot_be_reached(sweep):
    async with open_channel("127.0.0.1:9") as channel:
        with pytest.raises(UnavailableError) as caught:
            await StoreClient(channel).sweep()
    logs = await sweep(caught.value)
    assert "Connection refused" in logs[0]["cause"]
    assert "127.0.0.1" not in str(caught.value)


async def test_an_unexpected_error_is_logged_each_time_and_the_next_sweep_follows(sweep):
    logs = await sweep(RuntimeError("x"), RuntimeError("x"), results_pb2.SweepResponse())
    assert [line["event"] for line in logs] == ["sweep_failed", "sweep_failed"]
