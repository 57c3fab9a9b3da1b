"""Metrics of a worker, and its log lines about jobs and their items."""

import asyncio

import pytest
import structlog
from prometheus_client import REGISTRY

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, ItemFailedError, JobRefusedError, Message, RetryableError
from services.shared.metrics import LabelCap
from services.stubs.results.v1 import results_pb2
from services.worker.calls import provider_calls
from services.worker.calls.admission import CallAdmission
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.calls.provider.provider import CompletionRequest
from services.worker.items.job_logging import log_failed_attempt, log_handler_error

SPEC = results_pb2.JobSpec(job_id="j", tenant="t", kind="theirs", trace_id="a" * 32)
ITEM = results_pb2.LeasedItem(item_index=7, input='"secret"')


class Answering:
    """A provider with one answer: a text, an error, or None for never."""

    name = "answering"

    def take_remaining(self, model):
        return None

    def __init__(self, answer):
        self.answer = answer
        self.asked = asyncio.Event()

    async def complete(self, request, usage):
        self.asked.set()
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return Completion(self.answer)


def call(answer, model):
    provider = Answering(answer)
    admission = CallAdmission(provider, MemoryCooldowns(), 10)
    request = CompletionRequest(model, (Message("user", "x"),))
    return provider, asyncio.create_task(admission.complete(request, jobs_pb2.Usage(), 0))


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("fine", "succeeded"),
        (RetryableError("RATE_LIMITED", "slowly"), "RATE_LIMITED"),
        (ItemFailedError("PROVIDER_REFUSED_INPUT", "no"), "PROVIDER_REFUSED_INPUT"),
        (RuntimeError("a bug"), "failed"),
    ],
)
async def test_a_call_is_counted_and_timed_by_its_outcome(answer, outcome):
    model = f"model-{outcome}"
    _, task = call(answer, model)
    await asyncio.wait([task])
    assert value("headrace_provider_calls_total", model=model, outcome=outcome) == 1
    assert value("headrace_provider_call_seconds_count", model=model) == 1
    assert (task.exception() is None) == (outcome == "succeeded")


async def test_a_cancelled_call_counts_as_cancelled():
    provider, task = call(None, "model-cancelled")
    await provider.asked.wait()
    task.cancel()
    await asyncio.wait([task])
    assert value("headrace_provider_calls_total", model="model-cancelled", outcome="cancelled") == 1


async def test_models_beyond_the_first_share_a_series(monkeypatch):
    monkeypatch.setattr(provider_calls, "model_label", LabelCap(limit=1))
    before = value("headrace_provider_calls_total", model="other", outcome="succeeded")
    for model in ("first-model", "second-model", "third-model"):
        _, task = call("fine", model)
        await task
    assert value("headrace_provider_calls_total", model="other", outcome="succeeded") == before + 2
    assert value("headrace_provider_calls_total", model="second-model", outcome="succeeded") == 0


async def test_items_count_as_leased_until_their_outcome_and_as_in_flight_during_an_attempt(
    make_bench, eventually
):
    bench = make_bench(limit=2)
    leased, in_flight = value("headrace_leased_items"), value("headrace_items_in_flight")
    bench.lease("j", 0, 3)
    await bench.started(2)
    assert value("headrace_leased_items") == leased + 3
    assert value("headrace_items_in_flight") == in_flight + 2
    bench.runner.succeed_all()
    await bench.started(3)
    bench.runner.succeed_all()
    await eventually(lambda: bench.results.recorded_indexes() == [0, 1, 2])
    assert value("headrace_leased_items") == leased
    assert value("headrace_items_in_flight") == in_flight


def test_a_failed_attempt_is_logged_with_its_job_and_reason_but_without_message_or_input():
    error = jobs_pb2.Error(reason="BAD", message="secret")
    retries = value("headrace_item_retries_total", reason="BAD")
    with structlog.testing.capture_logs() as lines:
        log_failed_attempt(SPEC, ITEM, error, 1.5)
        log_failed_attempt(SPEC, ITEM, error, None)
    fields = {"job_id": "j", "tenant": "t", "trace_id": "a" * 32, "item_index": 7, "reason": "BAD"}
    assert lines == [
        fields | {"event": "item_retried", "log_level": "debug", "delay_seconds": 1.5},
        fields | {"event": "item_failed", "log_level": "info"},
    ]
    assert value("headrace_item_retries_total", reason="BAD") == retries + 1


def test_a_handlers_fault_is_logged_with_its_place_but_without_its_text():
    with structlog.testing.capture_logs() as lines:
        try:
            raise ValueError("secret")
        except ValueError as error:
            log_handler_error(SPEC, ITEM, error)
    assert lines[0]["error"] == "ValueError"
    assert "test_metrics.py" in lines[0]["traceback"]
    assert "secret" not in str({**lines[0], "traceback": ""})


async def test_a_fatal_error_is_logged_once_per_job(make_bench, eventually):
    bench = make_bench(limit=3)
    bench.lease("j", 0, 3)
    await bench.started(3)
    error = jobs_pb2.Error(reason="PROVIDER_KEY_REFUSED", message="secret")
    with structlog.testing.capture_logs() as lines:
        for index in range(2):
            bench.runner.end("j", index, error=error, job_failed=True)
        await eventually(lambda: bench.results.releases() != [])
    failed = [line for line in lines if line["event"] == "job_failed"]
    assert [line["reason"] for line in failed] == ["PROVIDER_KEY_REFUSED"]
    assert "secret" not in str(lines)


async def test_a_model_that_does_not_exist_gets_no_series_of_its_own(monkeypatch):
    monkeypatch.setattr(provider_calls, "model_label", LabelCap(limit=1))
    unknown = JobRefusedError("MODEL_UNKNOWN", "no such model")
    before = value("headrace_provider_calls_total", model="other", outcome="MODEL_UNKNOWN")
    for number in range(3):
        _, task = call(unknown, f"typo-{number}")
        await asyncio.wait([task])
        assert task.exception()
    _, task = call("fine", "a-real-model")
    await task
    assert value("headrace_provider_calls_total", model="other", outcome="MODEL_UNKNOWN") == before + 3
    assert value("headrace_provider_calls_total", model="a-real-model", outcome="succeeded") == 1
