import asyncio

import pytest

from headrace.errors import UnavailableError
from services.results.purging import purger as module
from services.results.purging.purger import Purger


@pytest.fixture
def looks(monkeypatch):
    """Scripts the runs for finished jobs: each finds a number of them or an error, later ones none."""
    coming = []
    seen = asyncio.Event()

    async def purge_jobs(database, retention_micros):
        found = coming.pop(0) if coming else 0
        if not coming:
            seen.set()
        if isinstance(found, Exception):
            raise found
        return found

    async def list_purges(database, limit):
        return []

    async def purge_shares(database):
        return 0

    monkeypatch.setattr(module, "purge_jobs", purge_jobs)
    monkeypatch.setattr(module, "list_purges", list_purges)
    monkeypatch.setattr(module, "purge_shares", purge_shares)
    monkeypatch.setattr(module, "MAX_INTERVAL_SECONDS", 0.0)
    return coming, seen


@pytest.mark.parametrize("error", [UnavailableError("away"), RuntimeError("a bug")])
async def test_purging_continues_after_an_outage_and_after_a_bug(looks, error):
    coming, seen = looks
    coming += [error, error, 3]
    purger = Purger(None, 1.0)
    purger.start()
    async with asyncio.timeout(10):
        await seen.wait()
    await purger.stop()
    assert coming == []


async def test_purging_repeats_at_once_while_a_transaction_is_full(looks):
    coming, _ = looks
    coming += [module.MAX_JOBS_PER_TRANSACTION, module.MAX_JOBS_PER_TRANSACTION, 5, 7]
    await Purger(None, 1.0).purge_jobs()
    assert coming == [7]


async def test_a_purger_has_a_transaction_running_for_a_fraction_of_the_time(looks, monkeypatch):
    pauses = []
    now = [0.0]

    class Loop:
        def time(self):
            return now[0]

    async def purge_jobs(database, retention_micros):
        now[0] += 0.5
        return 0

    async def sleep(seconds):
        pauses.append(seconds)

    monkeypatch.setattr(module, "purge_jobs", purge_jobs)
    monkeypatch.setattr(module.asyncio, "get_running_loop", Loop)
    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    await Purger(None, 1.0, work_share=0.2).purge_jobs()
    assert pauses == [pytest.approx(2.0)]
