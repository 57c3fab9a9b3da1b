"""Metrics of real processes, on RabbitMQ, Redis and PostgreSQL."""

from contextlib import aclosing

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.testing.stack import TestStack
from headrace import Client, JobState

pytestmark = pytest.mark.timeout(180)

PARAMS = {"labels": ["a", "b"], "template": "{title}", "model": "stand-in"}


@pytest.fixture(scope="module")
def stack(servers):
    settings = {"HEADRACE_METRICS_LISTEN": "127.0.0.1:0"}
    stack = TestStack(
        servers,
        workers=1,
        worker_settings=settings,
        gateway_settings=settings,
        results_settings=settings,
    )
    stack.start()
    yield stack
    stack.close()


@pytest.fixture
def gateway(stack, metrics_of):
    return metrics_of(stack.gateways[0])


@pytest.fixture
def results(stack, metrics_of):
    return metrics_of(stack.results)


@pytest.fixture
def worker(stack, metrics_of):
    return metrics_of(stack.workers[0])


async def test_a_job_is_counted_where_it_is_submitted_and_where_it_ends(stack, gateway, results, finish):
    submitted = gateway.value("headrace_jobs_submitted_total", kind="noop", job_class="BULK")
    ended = results.value("headrace_jobs_ended_total", state="SUCCEEDED")
    recorded = results.value("headrace_items_recorded_total", state="SUCCEEDED")
    waits = results.value("headrace_queue_wait_seconds_count", job_class="BULK")
    job = await finish(stack.gateway_target, "noop", [1, 2, 3], job_class="bulk")
    assert job.progress.succeeded_count == 3
    await gateway.reaches(submitted + 1, "headrace_jobs_submitted_total", kind="noop", job_class="BULK")
    await results.reaches(ended + 1, "headrace_jobs_ended_total", state="SUCCEEDED")
    await results.reaches(recorded + 3, "headrace_items_recorded_total", state="SUCCEEDED")
    await results.reaches(waits + 1, "headrace_queue_wait_seconds_count", job_class="BULK")


async def test_a_job_submitted_twice_is_counted_once(stack, gateway):
    before = gateway.value("headrace_jobs_submitted_total")
    async with Client(stack.gateway_target) as client:
        for _ in range(3):
            await client.submit("noop", [1], request_id="the same")
        await client.submit("noop", [1], request_id="another")
    await gateway.reaches(before + 2, "headrace_jobs_submitted_total")


async def test_every_service_counts_the_calls_it_answers(stack, gateway, results, worker, finish):
    await finish(stack.gateway_target, "noop", [1])
    assert gateway.value("headrace_rpc_calls_total", method="GatewayService/SubmitJob", code="OK") >= 1
    assert gateway.value("headrace_rpc_call_seconds_count", method="GatewayService/SubmitJob") >= 1
    assert results.value("headrace_rpc_calls_total", method="ResultsService/RecordResults", code="OK") >= 1
    await worker.reaches(1, "headrace_open_streams", method="WorkerService/StreamProgress")


async def test_an_error_is_counted_by_its_code(stack, gateway):
    labels = {"method": "GatewayService/SubmitJob", "code": "INVALID_ARGUMENT"}
    before = gateway.value("headrace_rpc_calls_total", **labels)
    async with Client(stack.gateway_target) as client:
        with pytest.raises(Exception, match="UNKNOWN_KIND"):
            await client.submit("no.such.kind", [1])
    await gateway.reaches(before + 1, "headrace_rpc_calls_total", **labels)
    assert gateway.value("headrace_jobs_submitted_total", kind="no.such.kind") == 0


async def test_a_watch_is_open_until_its_job_ends(stack, gateway, worker):
    async with Client(stack.gateway_target) as client:
        job = await client.submit("noop", [1], {"sleep_ms": 60_000})
        async with aclosing(client.watch(job.job_id)) as events:
            await anext(events)
            await gateway.reaches(1, "headrace_open_streams", method="GatewayService/WatchJob")
            await worker.reaches(1, "headrace_items_in_flight")
            assert worker.value("headrace_leased_items") == 1
            await client.cancel(job.job_id)
            states = [event.state async for event in events]
    assert states[-1] is JobState.CANCELLED
    await gateway.reaches(0, "headrace_open_streams", method="GatewayService/WatchJob")
    await worker.reaches(0, "headrace_items_in_flight")
    await worker.reaches(0, "headrace_leased_items")


async def test_calls_to_the_provider_are_counted_by_outcome(stack, worker, results, finish):
    stack.control_stand_in(
        reset=True,
        fail_next=[{"status": 503}],
        fail_when_contains={"refused": {"status": 400}},
    )
    items = [{"title": "fine"}, {"title": "refused"}, {"title": "good"}]
    job = await finish(stack.gateway_target, "llm.classify", items, PARAMS)
    stack.control_stand_in(reset=True)
    assert (job.progress.succeeded_count, job.progress.failed_count) == (2, 1)
    for outcome, count in (("succeeded", 2), ("PROVIDER_ERROR", 1), ("PROVIDER_REFUSED_INPUT", 1)):
        await worker.reaches(count, "headrace_provider_calls_total", model="stand-in", outcome=outcome)
    assert worker.value("headrace_provider_call_seconds_count", model="stand-in") == 4
    assert worker.value("headrace_item_retries_total", reason="PROVIDER_ERROR") == 1
    await results.reaches(1, "headrace_items_recorded_total", state="FAILED")


async def test_wake_ups_batches_transactions_and_workers_are_counted(stack, gateway, results, worker, finish):
    await finish(stack.gateway_target, "noop", [1])
    assert gateway.value("headrace_tasks_published_total") >= 1
    assert gateway.value("headrace_tasks_not_published_total") == 0
    await gateway.reaches(1, "headrace_live_workers")
    assert results.value("headrace_transaction_seconds_count", mode="write") >= 3
    assert results.value("headrace_transaction_seconds_count", mode="read") >= 1
    assert worker.value("headrace_record_batch_entries_sum") >= 1
    assert worker.value("headrace_record_seconds_count") >= 1


BASE_UNITS = ("_seconds", "_bytes", "_total", "_info", "_count", "_sum", "_bucket")
FOREIGN_UNITS = ("_ms", "_milliseconds", "_micros", "_minutes", "_kb", "_mb", "_percent")


def test_names_and_labels_follow_the_rules_of_prometheus(gateway, results, worker):
    texts = [service.text() for service in (gateway, results, worker)]
    families = [family for text in texts for family in text_string_to_metric_families(text)]
    own = [family for family in families if family.name.startswith("headrace_")]
    assert len({family.name for family in own}) >= 20
    for family in own:
        assert family.documentation, family.name
        assert not any(unit in family.name for unit in FOREIGN_UNITS), family.name
        assert family.type != "unknown", family.name
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
            assert not {"job_id", "tenant", "request_id", "trace_id"} & set(sample.labels), sample
        if family.type == "gauge" and family.name != "headrace_build_info":  # its name is a convention
            assert not family.name.endswith(BASE_UNITS), family.name


def test_memory_and_processor_time_of_each_process_are_reported(gateway, results, worker):
    for service in (gateway, results, worker):
        assert service.value("process_resident_memory_bytes") > 1e6
        assert service.value("process_cpu_seconds_total") > 0
