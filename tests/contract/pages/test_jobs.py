"""Pages of jobs, and snapshots of known ones."""

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2 as pb


async def test_jobs_are_listed_newest_first_in_pages(store):
    jobs = [(await store.create()).job_id for _ in range(5)]
    await store.create(tenant="other")
    listed, before, more = [], "", True
    while more:
        page = await store.stub.ListJobs(
            pb.ListJobsRequest(tenant="default", page_size=2, before_job_id=before)
        )
        listed += [job.job_id for job in page.jobs]
        before, more = listed[-1], page.has_more
    assert listed == jobs[::-1]


async def test_a_page_of_jobs_ends_at_1_mb_of_messages(store):
    error = jobs_pb2.Error(reason="BAD_KEY", message="\u00e9" * 4_000)
    jobs = [(await store.create()).job_id for _ in range(150)]
    worker = await store.worker()
    leased = [lease for _ in range(2) for lease in (await worker.lease()).leases]
    await worker.record(*(pb.JobRecord(job_id=lease.ref.job_id, job_error=error) for lease in leased))
    page = await store.stub.ListJobs(pb.ListJobsRequest(tenant="default", page_size=1000))
    assert page.has_more
    assert page.ByteSize() < 1_100_000
    listed = [job.job_id for job in page.jobs]
    rest = pb.ListJobsRequest(tenant="default", page_size=1000, before_job_id=listed[-1])
    listed += [job.job_id for job in (await store.stub.ListJobs(rest)).jobs]
    assert listed == jobs[::-1]


async def test_jobs_are_listed_by_state_and_kind(store):
    running = await store.create(kind="a")
    cancelled = await store.create(kind="a")
    await store.create(kind="b")
    await store.cancel(cancelled.job_id)

    async def listed(**fields):
        page = await store.stub.ListJobs(pb.ListJobsRequest(tenant="default", page_size=10, **fields))
        return [job.job_id for job in page.jobs]

    assert await listed(kind="a") == [cancelled.job_id, running.job_id]
    assert await listed(states=[jobs_pb2.JOB_STATE_CANCELLED]) == [cancelled.job_id]
    both = [jobs_pb2.JOB_STATE_CANCELLED, jobs_pb2.JOB_STATE_PENDING]
    assert await listed(states=both, kind="a") == [cancelled.job_id, running.job_id]
    assert not await listed(states=[jobs_pb2.JOB_STATE_RUNNING])


async def test_only_newer_snapshots_of_known_jobs_are_returned(store):
    jobs = [await store.create() for _ in range(3)]
    await store.cancel(jobs[1].job_id)
    known = [pb.KnownJob(job_id=job.job_id, known_seq=1) for job in jobs]
    known.append(pb.KnownJob(job_id="no uuid"))
    response = await store.stub.GetJobs(pb.GetJobsRequest(jobs=known))
    assert [(job.job_id, job.seq) for job in response.jobs] == [(jobs[1].job_id, 2)]
    response = await store.stub.GetJobs(pb.GetJobsRequest(jobs=known, tenant="other"))
    assert not response.jobs
