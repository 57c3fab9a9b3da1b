"""Options of a job, from its creation to its lease and its snapshots."""

from headrace.jobs.v1 import jobs_pb2
from services.results.rows.job_options import COLUMN_OPTIONS
from services.stubs.results.v1 import results_pb2 as pb

# Field 1000, a varint of 42: an option of a newer version.
UNKNOWN_OPTION = b"\xc0\x3e\x2a"


def all_options(store):
    options = jobs_pb2.JobOptions(
        job_class=jobs_pb2.JOB_CLASS_BULK,
        max_failed_ratio=0.25,
        max_parallelism=3,
        cache_responses=True,
        budget_micros=5_000,
        trial_count=1,
    )
    options.schedule_time.FromMicroseconds(store.clock.local_now() - 1_000_000)
    options.job_timeout.FromMilliseconds(90_500)
    options.item_timeout.FromMicroseconds(7_250_000)
    options.call_timeout.FromMilliseconds(1)
    options.retention.FromSeconds(3_600)
    unset = set(options.DESCRIPTOR.fields_by_name) - {field.name for field, _ in options.ListFields()}
    assert not unset, "set the new option here"
    return options


def without_columns(options):
    others = jobs_pb2.JobOptions()
    others.CopyFrom(options)
    for name in COLUMN_OPTIONS:
        others.ClearField(name)
    return others


async def lease_of(store, job, job_class=jobs_pb2.JOB_CLASS_DEFAULT):
    (spec,) = (await (await store.worker()).lease(job_class=job_class)).jobs
    assert spec.job_id == job.job_id
    return spec


async def test_a_snapshot_shows_all_options(store):
    options = all_options(store)
    job = (await store.create_all(store.new_job(options=options))).outcomes[0].job
    assert job.options == options
    assert (await store.get(job.job_id)).options == options


async def test_a_lease_brings_the_options_without_a_column_unchanged(store):
    options = all_options(store)
    job = (await store.create_all(store.new_job(options=options))).outcomes[0].job
    spec = await lease_of(store, job, jobs_pb2.JOB_CLASS_BULK)
    assert spec.options == without_columns(options)
    assert {field.name for field, _ in spec.options.ListFields()} == {
        "item_timeout",
        "call_timeout",
        "cache_responses",
        "trial_count",
    }


async def test_an_option_that_the_store_does_not_know_reaches_the_worker_and_the_snapshot(store):
    new = store.new_job()
    new.options.MergeFromString(UNKNOWN_OPTION)
    job = (await store.create_all(new)).outcomes[0].job
    assert UNKNOWN_OPTION in job.options.SerializeToString()
    assert UNKNOWN_OPTION in (await store.get(job.job_id)).options.SerializeToString()
    assert (await lease_of(store, job)).options.SerializeToString() == UNKNOWN_OPTION


async def test_a_job_without_further_options_shows_its_class_and_ratio(store):
    job = await store.create()
    expected = jobs_pb2.JobOptions(job_class=jobs_pb2.JOB_CLASS_DEFAULT, max_failed_ratio=0.5)
    assert job.options == (await store.get(job.job_id)).options == expected
    assert (await lease_of(store, job)).options == jobs_pb2.JobOptions()


async def test_a_snapshot_shows_the_budget_that_a_job_was_resumed_with(store):
    job = await store.create(budget_micros=10)
    await store.pause(job.job_id)
    request = pb.ResumeJobRequest(job_id=job.job_id, tenant="default", budget_micros=99)
    resumed = (await store.stub.ResumeJob(request)).job
    assert resumed.options.budget_micros == resumed.budget_micros == 99
