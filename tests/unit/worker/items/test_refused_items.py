"""The first refused items of a job are reported at once, so that the store can pause it early."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.worker.items import recorder
from services.worker.items.reporting import MAX_URGENT_REFUSALS

REFUSED = jobs_pb2.Error(reason="PROVIDER_REFUSED_INPUT", message="the provider refused the request")
BAD = jobs_pb2.Error(reason="BAD", message="it did not work")


@pytest.fixture
async def bench(make_bench, monkeypatch):
    monkeypatch.setattr(recorder, "BATCH_WAIT_SECONDS", 1_000)  # Only urgent reports are sent.
    return make_bench(limit=60)


async def leased(bench, items=60):
    bench.lease("j", 0, items)
    await bench.started(items)


async def test_a_refused_item_takes_the_waiting_results_along_at_once(bench, eventually):
    await leased(bench)
    bench.runner.end("j", 0, error=BAD)
    bench.runner.end("j", 1, output="1")
    bench.runner.end("j", 2, error=REFUSED)
    await eventually(lambda: sorted(bench.results.recorded_indexes()) == [0, 1, 2])


async def test_later_refused_items_wait_for_a_batch(bench, eventually):
    await leased(bench)
    for index in range(MAX_URGENT_REFUSALS):
        bench.runner.end("j", index, error=REFUSED)
    await eventually(lambda: len(bench.results.recorded_indexes()) == MAX_URGENT_REFUSALS)
    bench.runner.end("j", MAX_URGENT_REFUSALS, error=REFUSED)
    await eventually(lambda: bench.recorder.unacknowledged_count == 1)
    assert len(bench.results.recorded_indexes()) == MAX_URGENT_REFUSALS
