"""An attempt that a fault of the provider ended shortly before an outage is deducted, once for each item."""

import pytest

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.leased_work import LeasedItem, LeasedJob, LeasedWork


@pytest.fixture
def leased():
    return LeasedWork()


def lease(leased, *, attempt_count=0, quarantined=False) -> tuple[LeasedJob, LeasedItem]:
    failed = [jobs_pb2.FailedAttempt(attempt_number=n + 1) for n in range(attempt_count)]
    item = results_pb2.LeasedItem(
        item_index=0, input="1", attempt_count=attempt_count, failed_attempts=failed
    )
    ref = results_pb2.LeaseRef(job_id="j", chunk_index=0, fence=1)
    lease = results_pb2.Lease(ref=ref, round=1, items=[item], quarantined=quarantined)
    chunk = leased.add(results_pb2.JobSpec(job_id="j"), lease)
    return chunk.job, chunk.unfinished[0]


def fail(item: LeasedItem, *, counts: bool = True, is_provider_fault: bool = True) -> None:
    count = item.message.attempt_count + counts
    failed = [*item.message.failed_attempts]
    if counts:
        failed.append(jobs_pb2.FailedAttempt(attempt_number=count))
    item.add_failed_attempt(
        ItemOutcome(
            retry_delay=1.0,
            attempt_count=count,
            usage=jobs_pb2.Usage(call_count=count),
            failed_attempts=failed,
            is_provider_fault=is_provider_fault and counts,
        )
    )


def numbers(item: LeasedItem) -> tuple[int, list[int]]:
    return item.message.attempt_count, [each.attempt_number for each in item.message.failed_attempts]


def test_the_last_attempt_is_deducted_when_an_outage_begins_and_its_usage_is_kept(leased):
    job, item = lease(leased, attempt_count=2)
    fail(item)
    assert numbers(item) == (3, [1, 2, 3])
    job.refund_attempts("outage")
    assert numbers(item) == (2, [1, 2])
    assert item.message.usage.call_count == 3


def test_an_outcome_that_arrives_after_the_outage_has_begun_is_deducted_too(leased):
    job, item = lease(leased)
    job.refund_attempts("outage")
    fail(item)
    assert numbers(item) == (0, [])


def test_an_attempt_that_failed_in_another_way_counts(leased):
    job, item = lease(leased)
    fail(item)
    fail(item, is_provider_fault=False)
    job.refund_attempts("outage")
    assert numbers(item) == (2, [1, 2])


def test_a_spared_attempt_after_the_fault_changes_nothing(leased):
    job, item = lease(leased)
    fail(item)
    fail(item, counts=False)
    job.refund_attempts("outage")
    assert numbers(item) == (0, [])


def test_an_attempt_under_an_earlier_lease_counts(leased):
    job, item = lease(leased, attempt_count=2)
    job.refund_attempts("outage")
    assert numbers(item) == (2, [1, 2])


def test_an_item_that_brings_the_provider_down_each_time_uses_up_its_attempts(leased):
    job, item = lease(leased)
    for outage in range(5):
        fail(item)
        job.refund_attempts(f"outage {outage}")
        job.outage_id = ""
    assert numbers(item) == (4, [1, 2, 3, 4])


def test_a_quarantined_item_keeps_its_count_which_its_child_process_has_too(leased):
    job, item = lease(leased, quarantined=True)
    fail(item)
    job.refund_attempts("outage")
    assert numbers(item) == (1, [1])
