"""What a worker says to results: one entry for each finished, deferred or released thing."""

from collections.abc import Callable
from dataclasses import dataclass

from headrace.jobs.v1 import jobs_pb2
from services.stubs.results.v1 import results_pb2


@dataclass
class Entry:
    """One thing to say of a job, with what to do once results has acknowledged it.

    Attributes:
        job_id: The job.
        apply: Adds it to the job's record.
        acknowledged: Called with the job's outcome.
        byte_count: About how much it adds to a message.
        is_result: Whether it counts as finished and not acknowledged.
        tenant: Whose job it is; tenants take turns where there is much to say.
    """

    job_id: str
    apply: Callable[[results_pb2.JobRecord], None]
    acknowledged: Callable[[results_pb2.JobRecordOutcome], None]
    byte_count: int = 100
    is_result: bool = False
    tenant: str = ""


def result_entry(
    job_id: str,
    record: results_pb2.ItemRecord,
    acknowledged: Callable[[results_pb2.JobRecordOutcome], None],
    tenant: str = "",
) -> Entry:
    """Returns the entry of a finished item."""
    return Entry(
        job_id,
        lambda job: job.items.append(record),
        acknowledged,
        byte_count=100 + record.ByteSize(),
        is_result=True,
        tenant=tenant,
    )


def deferral_entry(
    job_id: str,
    deferral: results_pb2.ItemDeferral,
    acknowledged: Callable[[results_pb2.JobRecordOutcome], None],
) -> Entry:
    """Returns the entry of an item to be tried again later."""
    byte_count = 100 + deferral.ByteSize()
    return Entry(job_id, lambda job: job.deferrals.append(deferral), acknowledged, byte_count)


def release_entry(
    job_id: str,
    release: results_pb2.ChunkRelease,
    acknowledged: Callable[[results_pb2.JobRecordOutcome], None],
) -> Entry:
    """Returns the entry of a chunk given back."""
    return Entry(job_id, lambda job: job.releases.append(release), acknowledged)


def death_entry(
    job_id: str,
    death: results_pb2.ChunkDeath,
    acknowledged: Callable[[results_pb2.JobRecordOutcome], None],
) -> Entry:
    """Returns the entry of a chunk whose child process died."""
    return Entry(job_id, lambda job: job.deaths.append(death), acknowledged)


def job_error_entry(
    job_id: str,
    error: jobs_pb2.Error,
    acknowledged: Callable[[results_pb2.JobRecordOutcome], None],
) -> Entry:
    """Returns the entry of an error that fails the whole job."""
    return Entry(job_id, lambda job: job.job_error.CopyFrom(error), acknowledged)
