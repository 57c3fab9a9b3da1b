import asyncio

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2
from services.worker.items import report_entries as entries
from services.worker.items.recorder import SHARED_BATCH_JOBS


def result(bench, index, job_id="j", output="1", acknowledged=lambda outcome: None, tenant=""):
    record = results_pb2.ItemRecord(item_index=index, output=output)
    return entries.result_entry(job_id, record, acknowledged, tenant)


async def test_an_urgent_result_is_sent_at_once_and_acknowledged(make_bench, eventually):
    bench, outcomes = make_bench(), []
    bench.recorder.add(result(bench, 7, acknowledged=outcomes.append), urgent=True)
    await eventually(lambda: outcomes != [])
    assert bench.results.recorded_indexes() == [7]
    assert outcomes[0].job_id == "j"
    assert bench.recorder.unacknowledged_count == 0


async def test_results_wait_for_company_until_a_batch_is_full(make_bench, eventually):
    bench = make_bench()
    for index in range(99):
        bench.recorder.add(result(bench, index))
    await asyncio.sleep(0)
    assert bench.results.records == []
    bench.recorder.add(result(bench, 99))
    await eventually(lambda: len(bench.results.records) == 1)
    assert bench.results.recorded_indexes() == list(range(100))


async def test_a_lone_result_goes_out_after_a_quarter_of_a_second(make_bench, eventually):
    bench = make_bench()
    bench.recorder.add(result(bench, 0))
    await eventually(lambda: bench.results.recorded_indexes() == [0])


async def test_one_call_is_under_way_and_the_next_batch_gathers_meanwhile(make_bench, eventually):
    bench = make_bench()
    bench.results.hold = asyncio.Event()
    bench.recorder.add(result(bench, 0), urgent=True)
    await eventually(lambda: len(bench.results.records) == 1)
    for index in range(1, 5):
        bench.recorder.add(result(bench, index), urgent=True)
    bench.results.hold.set()
    assert await bench.recorder.flush(5)
    assert [len(r.jobs[0].items) for r in bench.results.records] == [1, 4]


async def test_a_failed_call_is_repeated_until_it_is_answered(make_bench):
    bench = make_bench()
    bench.results.failures = 2
    bench.recorder.add(result(bench, 3), urgent=True)
    assert bench.recorder.unacknowledged_count == 1
    assert await bench.recorder.flush(5)
    assert bench.results.recorded_indexes() == [3]
    assert bench.recorder.unacknowledged_count == 0


async def test_flush_says_when_the_time_did_not_suffice(make_bench):
    bench = make_bench()
    bench.results.hold = asyncio.Event()
    bench.recorder.add(result(bench, 0))
    assert not await bench.recorder.flush(0.01)


async def test_large_outputs_are_split_over_messages(make_bench):
    bench = make_bench()
    for index in range(4):
        bench.recorder.add(result(bench, index, output="x" * 1_500_000))
    assert await bench.recorder.flush(5)
    assert [len(r.jobs[0].items) for r in bench.results.records] == [2, 2]


async def test_a_job_that_results_does_not_answer_for_counts_as_lost(make_bench, eventually):
    bench, outcomes = make_bench(), []

    async def no_outcomes(request, timeout):
        return results_pb2.RecordResultsResponse()

    bench.results.RecordResults = no_outcomes
    bench.recorder.add(result(bench, 0, acknowledged=outcomes.append), urgent=True)
    await eventually(lambda: outcomes != [])
    assert outcomes[0].lost


async def test_results_deferrals_releases_and_errors_of_a_job_share_one_record(make_bench):
    bench = make_bench()
    ignore = lambda outcome: None  # noqa: E731
    bench.recorder.add(result(bench, 0))
    bench.recorder.add(entries.deferral_entry("j", results_pb2.ItemDeferral(item_index=1), ignore))
    bench.recorder.add(entries.release_entry("j", results_pb2.ChunkRelease(chunk_index=2), ignore))
    bench.recorder.add(entries.job_error_entry("j", jobs_pb2.Error(reason="MODEL_UNKNOWN"), ignore))
    assert await bench.recorder.flush(5)
    (job,) = bench.results.records[0].jobs
    assert (job.items[0].item_index, job.deferrals[0].item_index, job.releases[0].chunk_index) == (0, 1, 2)
    assert job.job_error.reason == "MODEL_UNKNOWN"


async def test_a_fault_in_what_follows_an_acknowledgement_stops_neither_the_others_nor_the_recorder(
    make_bench,
):
    bench, outcomes = make_bench(), []

    def fail(outcome):
        raise RuntimeError("a bug")

    bench.recorder.add(result(bench, 0, acknowledged=fail))
    bench.recorder.add(result(bench, 1, acknowledged=outcomes.append))
    assert await bench.recorder.flush(5)
    bench.recorder.add(result(bench, 2, acknowledged=outcomes.append))
    assert await bench.recorder.flush(5)
    assert len(outcomes) == 2
    assert bench.recorder.unacknowledged_count == 0


async def test_a_batch_is_measured_in_bytes_not_in_characters(make_bench):
    bench = make_bench()
    for index in range(4):
        bench.recorder.add(result(bench, index, output="\N{GRINNING FACE}" * 700_000))
    assert await bench.recorder.flush(5)
    assert [len(r.jobs[0].items) for r in bench.results.records] == [1, 1, 1, 1]


async def test_a_small_job_does_not_wait_for_all_the_many_of_another_tenant(make_bench):
    bench = make_bench()
    for number in range(SHARED_BATCH_JOBS + 30):
        bench.recorder.add(result(bench, 0, f"a{number}", tenant="a"), urgent=True)
    for index in range(3):
        bench.recorder.add(result(bench, index, "b", tenant="b"), urgent=True)
    assert await bench.recorder.flush(5)
    first, second = bench.results.records
    assert len(first.jobs) == SHARED_BATCH_JOBS
    assert [item.item_index for job in first.jobs if job.job_id == "b" for item in job.items] == [0, 1, 2]
    assert len(second.jobs) == 31


async def test_many_jobs_of_one_tenant_alone_go_together(make_bench):
    bench = make_bench()
    for number in range(SHARED_BATCH_JOBS + 30):
        bench.recorder.add(result(bench, 0, f"a{number}", tenant="a"), urgent=True)
    assert await bench.recorder.flush(5)
    assert [len(request.jobs) for request in bench.results.records] == [SHARED_BATCH_JOBS + 30]
