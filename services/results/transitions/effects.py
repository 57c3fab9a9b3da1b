"""Effects of a transition: tasks to publish, changed snapshots, and workers to notify."""

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from headrace.jobs.v1 import jobs_pb2
from services.results.database.transaction import Transaction
from services.results.rows import worker_rows
from services.results.rows.messages import job_message
from services.results.rules.facts import JobFacts
from services.results.rules.settling import is_leasable_now
from services.stubs.results.v1 import results_pb2

TASKS_PER_WORKER = 2
# Characters of the labels in the snapshots of one response, which must stay within 16 MB. The others are
# left out: a hub reads a watched job again that it hears nothing of for a second.
MAX_LABELS_SIZE = 1024 * 1024


async def build_effects(
    tx: Transaction,
    jobs: Mapping[str, JobFacts],
    jobs_before: Mapping[str, JobFacts],
    *,
    reopened_job_ids: Collection[str],
    notify_job_ids: Collection[str],
) -> results_pb2.Effects:
    """Returns the effects of a transition whose jobs are settled.

    Args:
        tx: The transaction.
        jobs: Jobs of the transition, by id.
        jobs_before: The same jobs before the transition.
        reopened_job_ids: Jobs with a chunk that became free.
        notify_job_ids: Jobs whose workers must be notified in any case. Workers with leases of a job that
            begins to stop or pauses are notified too.
    """
    effects = results_pb2.Effects()
    to_notify = set(notify_job_ids)
    leasable: list[JobFacts] = []
    labels_size = 0
    for job_id, job in jobs.items():
        before = jobs_before[job_id]
        labels_size += len(job.labels)
        if job.seq != before.seq and labels_size <= MAX_LABELS_SIZE:
            effects.changed_jobs.append(job_message(job, tx.retention))
        if job.leased_chunk_count and _begins_to_stop(before, job):
            to_notify.add(job_id)
        if is_leasable_now(job) and (job_id in reopened_job_ids or not is_leasable_now(before)):
            leasable.append(job)
    await add_tasks(tx, effects, leasable)
    for worker in await worker_rows.read_workers_with_leases(tx, to_notify):
        worker.pause = not jobs[worker.job_id].stopping_to
        effects.workers_to_notify.append(worker)
    return effects


def _begins_to_stop(before: JobFacts, job: JobFacts) -> bool:
    is_stopping = bool(job.stopping_to) and not before.stopping_to
    is_pausing = bool(job.pause_reason) and not before.pause_reason
    return is_stopping or is_pausing


async def add_tasks(tx: Transaction, effects: results_pb2.Effects, jobs: Sequence[JobFacts]) -> None:
    """Adds the tasks of jobs that became leasable: one per leasable chunk, at most two per live worker."""
    counts = {job.job_id: job.leasable_chunk_count for job in jobs}
    limit = TASKS_PER_WORKER
    if any(count > limit for count in counts.values()):
        limit *= max(1, await worker_rows.count_live(tx))
    for job in jobs:
        effects.tasks_to_publish.add(
            job_id=job.job_id,
            job_class=cast("jobs_pb2.JobClass", job.job_class),
            count=min(counts[job.job_id], limit),
        )
