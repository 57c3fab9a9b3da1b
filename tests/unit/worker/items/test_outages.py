"""Items in an outage of their provider, with the worker's own parts and virtual time."""

import asyncio
import json
from collections.abc import Callable
from itertools import pairwise

import pytest

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, RetryableError, builtin_kinds
from headrace.reasons import ErrorReason
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.calls.outages import MemoryOutages, OutageBreaker
from services.worker.calls.outages.outage import PROBE_SECONDS
from services.worker.calls.provider.faults import ProviderDownError, connection_fault, timeout_fault
from services.worker.items.attempts.item_runner import ItemRunner
from tests.simulation.virtual_time import run_virtually
from tests.unit.worker.conftest import Bench

PARAMS = json.dumps({"prompt": "{n}", "model": "m"})
LIMIT = 30
CALL_SECONDS = 0.2
Fault = Callable[[float, str], RetryableError | None]


class Provider:
    """Answers each call after 200 ms, or fails as the weather says."""

    name = "host"

    def __init__(self, fault: Fault, hang_seconds: float = 0.0) -> None:
        self._fault = fault
        self._hang_seconds = hang_seconds
        self.begins: list[float] = []

    async def complete(self, request, usage: jobs_pb2.Usage) -> Completion:
        usage.call_count += 1
        time = asyncio.get_running_loop().time
        prompt = request.messages[-1].content
        self.begins.append(time())
        error = self._fault(time(), prompt)
        if error is None:
            await asyncio.sleep(CALL_SECONDS)
            error = self._fault(time(), prompt)  # a server that stops breaks its connections
        if error is not None:
            if error.reason == ErrorReason.PROVIDER_TIMEOUT:
                await asyncio.sleep(self._hang_seconds)
            raise error
        return Completion("ok")

    def take_remaining(self, model):
        return None

    async def close(self) -> None:
        pass


class Outcome:
    """Outcome of a job: its items by state, their attempts, and the calls of the provider."""

    def __init__(self, bench: Bench, provider: Provider, seconds: float) -> None:
        items = [i for r in bench.results.records for job in r.jobs for i in job.items]
        self.failed = sorted(i.item_index for i in items if i.HasField("error"))
        self.succeeded_count = len(items) - len(self.failed)
        self.most_attempts = max(i.attempt_count for i in items)
        self.attempts = {i.item_index: i.attempt_count for i in items}
        self.begins = provider.begins
        self.changes = [
            change for r in bench.results.records for job in r.jobs for change in job.outage_changes
        ]
        self.seconds = seconds


def work_on(count: int, fault: Fault, hang_seconds: float = 0.0) -> Outcome:
    return run_virtually(_work_on(count, fault, hang_seconds))


async def _work_on(count: int, fault: Fault, hang_seconds: float) -> Outcome:
    provider = Provider(fault, hang_seconds)
    bench = _bench(provider)
    bench.recorder.start()
    _lease(bench, count)
    while bench.leased.unfinished_count():
        await asyncio.sleep(0.05)
    seconds = asyncio.get_running_loop().time()
    await bench.recorder.flush(5.0)
    await bench.scheduler.drain(0)
    await bench.recorder.stop()
    return Outcome(bench, provider, seconds)


def _bench(provider: Provider, outage_seconds: float = float("inf")) -> Bench:
    clock = asyncio.get_running_loop().time
    breaker = OutageBreaker(MemoryOutages(clock, lambda: 0.5), outage_seconds, clock)
    admission = CallAdmission(provider, MemoryCooldowns(clock), LIMIT, outages=breaker)
    return Bench(limit=LIMIT, runner=ItemRunner(builtin_kinds(), admission, "m", lambda: 0.5))


def _lease(bench: Bench, count: int) -> None:
    spec = results_pb2.JobSpec(
        job_id="j", tenant="t", kind="llm.complete", params=PARAMS, job_class=jobs_pb2.JOB_CLASS_DEFAULT
    )
    lease = results_pb2.Lease(
        ref=results_pb2.LeaseRef(job_id="j", chunk_index=0, fence=1),
        round=1,
        items=[results_pb2.LeasedItem(item_index=i, input=json.dumps({"n": f"#{i}#"})) for i in range(count)],
    )
    bench.scheduler.accept({"j": spec}, [lease])


def error_503() -> ProviderDownError:
    return ProviderDownError("PROVIDER_ERROR", "the provider failed (HTTP 503)")


@pytest.mark.parametrize("seconds", [5.0, 60.0, 600.0])
@pytest.mark.parametrize("count", [2, 300])
def test_a_provider_that_is_down_costs_no_item(seconds, count):
    found = work_on(
        count, lambda now, _: connection_fault(is_reachable=False) if 0.1 <= now < 0.1 + seconds else None
    )
    assert (found.failed, found.succeeded_count) == ([], count)
    assert found.most_attempts == 1
    assert found.seconds < seconds + 10.0 + count / LIMIT


@pytest.mark.parametrize("seconds", [5.0, 60.0, 600.0])
def test_during_an_outage_only_probes_are_made(seconds):
    found = work_on(300, lambda now, _: connection_fault() if 1.0 <= now < 1.0 + seconds else None)
    probes = [begin for begin in found.begins if 1.2 < begin < 1.0 + seconds]
    assert len(probes) <= 4 + seconds / 2.5
    assert all(later - earlier > 0.4 for earlier, later in pairwise(probes))


def test_a_last_item_alone_survives_a_provider_that_cannot_be_reached():
    found = work_on(1, lambda now, _: connection_fault(is_reachable=False) if now < 60.0 else None)
    assert (found.failed, found.succeeded_count) == ([], 1)


def test_a_minute_of_503_costs_no_item():
    found = work_on(100, lambda now, _: error_503() if now < 60.0 else None)
    assert (found.failed, found.succeeded_count) == ([], 100)
    assert found.most_attempts == 1


def test_a_name_server_that_is_gone_for_a_minute_costs_no_item():
    fault = connection_fault("no such host: api.example.com", is_reachable=False)
    found = work_on(300, lambda now, _: fault if 1.0 < now < 61.0 else None)
    assert (found.failed, found.succeeded_count) == ([], 300)
    assert found.most_attempts == 1


def test_a_server_that_accepts_and_never_answers_costs_no_item_if_it_comes_back_within_the_attempts():
    found = work_on(300, lambda now, _: timeout_fault() if 1.0 < now < 12.0 else None, hang_seconds=5.0)
    assert (found.failed, found.succeeded_count) == ([], 300)
    assert found.most_attempts <= 4


def test_a_server_that_never_answers_in_the_middle_of_an_outage_costs_no_attempt():
    def fault(now: float, prompt: str) -> Exception | None:
        if now < 0.1 or now > 100.0:
            return None
        return timeout_fault() if 20.0 < now < 80.0 else connection_fault(is_reachable=False)

    found = work_on(300, fault, hang_seconds=60.0)
    assert (found.failed, found.succeeded_count) == ([], 300)
    assert found.most_attempts == 1
    probes = [begin for begin in found.begins if 20.0 < begin < 80.0]
    assert all(later - earlier >= PROBE_SECONDS for earlier, later in pairwise(probes))


def test_a_last_item_that_alone_fails_still_fails_after_its_attempts():
    found = work_on(5, lambda now, prompt: error_503() if "#4#" in prompt else None)
    assert (found.failed, found.succeeded_count) == ([4], 4)
    assert found.attempts[4] == 5


def test_half_of_the_answers_503_cost_no_item():
    calls = iter(range(1_000_000))
    found = work_on(300, lambda now, _: error_503() if next(calls) % 3 == 0 else None)
    assert (found.failed, found.succeeded_count) == ([], 300)
    assert found.most_attempts <= 3


def test_a_poison_item_among_healthy_ones_fails_after_its_attempts_and_holds_up_nobody():
    found = work_on(300, lambda now, prompt: error_503() if "#7#" in prompt else None)
    assert (found.failed, found.succeeded_count) == ([7], 299)
    assert found.attempts[7] == 5
    assert found.seconds < 12.0


def test_a_poison_item_in_an_outage_still_fails_after_its_attempts():
    found = work_on(300, lambda now, prompt: error_503() if "#7#" in prompt or 0.5 < now < 30.0 else None)
    assert (found.failed, found.succeeded_count) == ([7], 299)


def test_the_beginning_and_the_end_of_an_outage_are_reported_once_for_the_history():
    found = work_on(300, lambda now, _: connection_fault() if 1.0 <= now < 61.0 else None)
    began, ended = found.changes
    assert (began.ended, began.error.reason) == (False, "PROVIDER_UNREACHABLE")
    assert (ended.ended, ended.outage_id) == (True, began.outage_id)


def test_two_outages_are_reported_as_two():
    found = work_on(300, lambda now, _: connection_fault() if 1.0 <= now < 9.0 or 11.0 <= now < 20 else None)
    assert [change.ended for change in found.changes] == [False, True, False, True]
    assert len({change.outage_id for change in found.changes}) == 2


def test_a_provider_that_is_up_makes_no_report():
    assert work_on(30, lambda now, _: None).changes == []


def pause_requests(outage_seconds: float, watch_seconds: float) -> list[jobs_pb2.Error]:
    """Returns the errors with which the worker asks for a pause, of a provider that never comes back."""
    return run_virtually(_pause_requests(outage_seconds, watch_seconds))


async def _pause_requests(outage_seconds: float, watch_seconds: float) -> list[jobs_pb2.Error]:
    bench = _bench(Provider(lambda now, _: connection_fault(is_reachable=False)), outage_seconds)
    bench.recorder.start()
    _lease(bench, 30)
    await asyncio.sleep(watch_seconds)
    await bench.scheduler.drain(0)
    await bench.recorder.flush(5.0)
    await bench.recorder.stop()
    records = [job for r in bench.results.records for job in r.jobs]
    assert not any(item for job in records for item in job.items)
    return [job.outage_error for job in records if job.HasField("outage_error")]


def test_a_pause_is_asked_for_once_after_the_time_of_a_long_outage_and_not_before():
    assert pause_requests(outage_seconds=3600.0, watch_seconds=3599.0) == []
    (error,) = pause_requests(outage_seconds=3600.0, watch_seconds=3700.0)
    assert (error.reason, error.message) == ("PROVIDER_UNREACHABLE", connection_fault().message)
