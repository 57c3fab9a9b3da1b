"""The recorder: batches of entries on their way to results."""

import asyncio

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.items.recorder import SHARED_BATCH_JOBS, Entry


def result(index, job_id="j", output="1", **fields):
    record = results_pb2.ItemRecord(item_index=index, output=output)
    return Entry(
        job_id=job_id,
        apply=lambda job: job.items.append(record),
        byte_count=100 + record.ByteSize(),
        is_result=True,
        **fields,
    )


async def test_an_urgent_result_is_sent_at_once_and_acknowledged(make_bench, eventually):
    bench, outcomes = make_bench(), []
    bench.recorder.add(result(7, acknowledged=outcomes.append), urgent=True)
    await eventually(lambda: outcomes != [])
    assert bench.results.recorded_indexes() == [7]
    assert outcomes[0].job_id == "j"
    assert bench.recorder.unacknowledged_count == 0


async def test_results_wait_until_a_batch_is_full(make_bench, eventually):
    bench = make_bench()
    for index in range(99):
        bench.recorder.add(result(index))
    await asyncio.sleep(0)
    assert bench.results.records == []
    bench.recorder.add(result(99))
    await eventually(lambda: len(bench.results.records) == 1)
    assert bench.results.recorded_indexes() == list(range(100))


async def test_a_lone_result_is_sent_after_a_quarter_of_a_second(make_bench, eventually):
    bench = make_bench()
    bench.recorder.add(result(0))
    await eventually(lambda: bench.results.recorded_indexes() == [0])


async def test_one_call_is_under_way_and_the_next_batch_gathers_meanwhile(make_bench, eventually):
    bench = make_bench()
    bench.results.hold = asyncio.Event()
    bench.recorder.add(result(0), urgent=True)
    await eventually(lambda: len(bench.results.records) == 1)
    for index in range(1, 5):
        bench.recorder.add(result(index), urgent=True)
    bench.results.hold.set()
    assert await bench.recorder.flush(5)
    assert [len(r.jobs[0].items) for r in bench.results.records] == [1, 4]


async def test_a_failed_call_is_repeated_until_it_is_answered(make_bench):
    bench = make_bench()
    bench.results.failures = 2
    bench.recorder.add(result(3), urgent=True)
    assert bench.recorder.unacknowledged_count == 1
    assert await bench.recorder.flush(5)
    assert bench.results.recorded_indexes() == [3]
    assert bench.recorder.unacknowledged_count == 0


async def test_flush_reports_a_timeout(make_bench):
    bench = make_bench()
    bench.results.hold = asyncio.Event()
    bench.recorder.add(result(0))
    assert not await bench.recorder.flush(0.01)


async def test_large_outputs_are_split_over_messages(make_bench):
    bench = make_bench()
    for index in range(4):
        bench.recorder.add(result(index, output="x" * 1_500_000))
    assert await bench.recorder.flush(5)
    assert [len(r.jobs[0].items) for r in bench.results.records] == [2, 2]


async def test_a_job_that_results_does_not_answer_for_counts_as_lost(make_bench, eventually):
    bench, outcomes = make_bench(), []

    async def no_outcomes(request, timeout):
        return results_pb2.RecordResultsResponse()

    bench.results.RecordResults = no_outcomes
    bench.recorder.add(result(0, acknowledged=outcomes.append), urgent=True)
    await eventually(lambda: outcomes != [])
    assert outcomes[0].lost


async def test_results_deferrals_releases_and_errors_of_a_job_share_one_record(make_bench):
    bench = make_bench()
    deferral, release = results_pb2.ItemDeferral(item_index=1), results_pb2.ChunkRelease(chunk_index=2)
    error = jobs_pb2.Error(reason="MODEL_UNKNOWN")
    bench.recorder.add(result(0))
    bench.recorder.add(Entry(job_id="j", apply=lambda job: job.deferrals.append(deferral)))
    bench.recorder.add(Entry(job_id="j", apply=lambda job: job.releases.append(release)))
    bench.recorder.add(Entry(job_id="j", apply=lambda job: job.job_error.CopyFrom(error)))
    assert await bench.recorder.flush(5)
    (job,) = bench.results.records[0].jobs
    assert (job.items[0].item_index, job.deferrals[0].item_index, job.releases[0].chunk_index) == (0, 1, 2)
    assert job.job_error.reason == "MODEL_UNKNOWN"


async def test_a_fault_in_an_acknowledgement_stops_neither_the_others_nor_the_recorder(
    make_bench,
):
    bench, outcomes = make_bench(), []

    def fail(outcome):
        raise RuntimeError("a bug")

    bench.recorder.add(result(0, acknowledged=fail))
    bench.recorder.add(result(1, acknowledged=outcomes.append))
    assert await bench.recorder.flush(5)
    bench.recorder.add(result(2, acknowledged=outcomes.append))
    assert await bench.recorder.flush(5)
    assert len(outcomes) == 2
    assert bench.recorder.unacknowledged_count == 0


async def test_a_batch_is_measured_in_bytes_not_in_characters(make_bench):
    bench = make_bench()
    for index in range(4):
        bench.recorder.add(result(index, output="\N{GRINNING FACE}" * 700_000))
    assert await bench.recorder.flush(5)
    assert [len(r.jobs[0].items) for r in bench.results.records] == [1, 1, 1, 1]


async def test_a_small_job_does_not_wait_for_all_jobs_of_another_tenant(make_bench):
    bench = make_bench()
    for number in range(SHARED_BATCH_JOBS + 30):
        bench.recorder.add(result(0, f"a{number}", tenant="a"), urgent=True)
    for index in range(3):
        bench.recorder.add(result(index, "b", tenant="b"), urgent=True)
    assert await bench.recorder.flush(5)
    first, second = bench.results.records
    assert len(first.jobs) == SHARED_BATCH_JOBS
    assert [item.item_index for job in first.jobs if job.job_id == "b" for item in job.items] == [0, 1, 2]
    assert len(second.jobs) == 31


async def test_many_jobs_of_a_single_tenant_are_sent_together(make_bench):
    bench = make_bench()
    for number in range(SHARED_BATCH_JOBS + 30):
        bench.recorder.add(result(0, f"a{number}", tenant="a"), urgent=True)
    assert await bench.recorder.flush(5)
    assert [len(request.jobs) for request in bench.results.records] == [SHARED_BATCH_JOBS + 30]
