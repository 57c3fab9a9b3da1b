"""The transaction of RecordResults."""

from collections.abc import Iterator, Sequence
from functools import partial

from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.results.database.transaction import Transaction
from services.results.metrics import LEASES_LOST
from services.results.rows import item_rows
from services.results.rows.failed_attempts import encode_attempts, encode_failure
from services.results.rows.item_rows import Attempts, NewResult
from services.results.rows.job_usage import count_attempts
from services.results.rows.messages import MAX_COUNT, canonical_id, duration_of, models_of, usage_of
from services.results.rules.budgets import has_remainder_lease, pause_if_spent
from services.results.rules.facts import ChunkFacts, JobFacts
from services.results.rules.history import outage_message, outage_report_id
from services.results.rules.refusals import (
    FIRST_ITEM_COUNT,
    completes_first_items,
    is_refusal,
    refused_message,
)
from services.results.transitions.chunk_finder import ChunkFinder
from services.results.transitions.job_events import job_paused
from services.results.transitions.lost_chunks import count_child_death
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2

MILLISECOND = 1_000
MAX_DELAY_MS = 366 * 86_400_000


async def record_in(
    tx: Transaction, incarnation: str, records: Sequence[results_pb2.JobRecord]
) -> results_pb2.RecordResultsResponse:
    """Applies records: items first, then deferrals, deaths and releases. Returns the outcome of each record.

    A success is accepted from any lease and any round if its item has no result yet, because it was paid for.
    Everything else is accepted only under a current lease of the recording worker.
    """
    transition = Transition(tx)
    transition.history.actor = f"worker {incarnation}"
    await transition.lock(canonical_id(record.job_id) for record in records)
    known = [record for record in records if canonical_id(record.job_id) in transition.jobs]
    finder = await ChunkFinder.open(transition, incarnation, known)
    await _add_items(transition, finder, known)
    await _save_attempts(transition, finder, known)
    await _note_outages(transition, finder, known)
    for record in known:
        _fail_job(transition, finder, record)
        _pause_job(transition, finder, record)
        await _count_deaths(transition, finder, record)
        _release(transition, finder, record)
    response = results_pb2.RecordResultsResponse(effects=await transition.finish())
    for record in records:
        job = transition.jobs.get(canonical_id(record.job_id))
        stop = job is not None and bool(job.stopping_to or job.finish_time is not None)
        pause = job is not None and bool(job.pause_reason) and not stop
        response.outcomes.add(job_id=record.job_id, lost=job is None, stop=stop, pause=pause)
    return response


async def _add_items(
    transition: Transition, finder: ChunkFinder, records: Sequence[results_pb2.JobRecord]
) -> None:
    results: dict[tuple[str, int], NewResult] = {}
    payers: dict[tuple[str, int], ChunkFacts | None] = {}
    for record in records:
        job = transition.jobs[canonical_id(record.job_id)]
        for item in record.items:
            if _is_acceptable(job, finder, item):
                name = (job.job_id, item.item_index)
                if name not in results or results[name].state == jobs_pb2.ITEM_STATE_FAILED:
                    results[name] = _new_result(job, item, transition.now)
                    payers[name] = finder.leased(job.job_id, item.chunk_index, item.fence)
    costs = await transition.add_results(list(results.values()))
    for name, cost in costs.items():
        chunk, payer = finder.around(*name), payers[name]
        assert chunk is not None
        if payer is not None:  # Without a current lease nothing is reserved for it.
            transition.move_allowance(payer, -cost)
        transition.finish_item(chunk)
    await _pause_refused(transition, [results[name] for name in costs])


async def _save_attempts(
    transition: Transition, finder: ChunkFinder, records: Sequence[results_pb2.JobRecord]
) -> None:
    payers = {entry[:2]: (entry, c) for r in records for entry, c in _attempts_of(transition, finder, r)}
    attempts = [entry for entry, _ in payers.values()]
    for name, cost in (await count_attempts(transition.tx, transition.jobs, attempts)).items():
        transition.move_allowance(payers[name][1], -cost)
    item_rows.save_attempts(transition.tx, attempts)


def _is_acceptable(job: JobFacts, finder: ChunkFinder, item: results_pb2.ItemRecord) -> bool:
    chunk = finder.around(job.job_id, item.item_index)
    if chunk is None or not item.HasField("error"):
        return chunk is not None
    return chunk is finder.leased(job.job_id, item.chunk_index, item.fence) and item.round == job.round


def _new_result(job: JobFacts, item: results_pb2.ItemRecord, now: int) -> NewResult:
    failed = item.HasField("error")
    if failed:
        failed_attempts = encode_failure(item.failed_attempts, item.attempt_count, item.error)
    else:
        failed_attempts = encode_attempts(item.failed_attempts)
    return NewResult(
        job_id=job.job_id,
        item_index=item.item_index,
        round=job.round if failed else 0,
        current_round=job.round,
        next_round=job.next_round,
        seq=job.seq + 1,
        state=jobs_pb2.ITEM_STATE_FAILED if failed else jobs_pb2.ITEM_STATE_SUCCEEDED,
        output="" if failed else item.output,
        output_bytes=0 if failed else len(item.output.encode()),
        error_reason=item.error.reason,
        error_message=item.error.message,
        error_detail=item.error.detail,
        attempt_count=item.attempt_count,
        **usage_of(item.usage)._asdict(),
        answered_models=models_of(item.usage),
        finish_time=now,
        failed_attempts=failed_attempts,
    )


def _attempts_of(
    transition: Transition, finder: ChunkFinder, record: results_pb2.JobRecord
) -> Iterator[tuple[Attempts, ChunkFacts]]:
    job = transition.jobs[canonical_id(record.job_id)]
    for deferral in record.deferrals:
        chunk = finder.leased(job.job_id, deferral.chunk_index, deferral.fence)
        if chunk is None or not chunk.first_index <= deferral.item_index < chunk.end_index:
            continue
        job.has_deferrals = True
        yield _new_attempts(job, deferral, transition.now), chunk


def _new_attempts(job: JobFacts, deferral: results_pb2.ItemDeferral, now: int) -> Attempts:
    return Attempts(
        job_id=job.job_id,
        item_index=deferral.item_index,
        round=job.round,
        attempt_count=deferral.attempt_count,
        due_time=now + _delay(deferral.delay_ms),
        **usage_of(deferral.usage)._asdict(),
        answered_models=models_of(deferral.usage),
        error_reason=deferral.error.reason,
        error_message=deferral.error.message,
        error_detail=deferral.error.detail,
        failed_attempts=encode_attempts(deferral.failed_attempts),
        work_time=duration_of(deferral, "work_time") or 0,
    )


def _fail_job(transition: Transition, finder: ChunkFinder, record: results_pb2.JobRecord) -> None:
    job = transition.jobs[canonical_id(record.job_id)]
    if not record.HasField("job_error") or not _is_of_present_round(job, finder, record):
        return
    if not job.stopping_to and job.finish_time is None:
        job.stopping_to = jobs_pb2.JOB_STATE_FAILED
        error = record.job_error
        job.set_error(error.reason or ErrorReason.JOB_FAILED, error.message, error.detail)


def _is_of_present_round(job: JobFacts, finder: ChunkFinder, record: results_pb2.JobRecord) -> bool:
    """Returns whether an error of a job counts.

    A record that is repeated after a lost answer can arrive when the worker has leases of a later round.
    """
    return finder.has_lease_of(job.job_id) and record.error_round in (0, job.round)


def _pause_job(transition: Transition, finder: ChunkFinder, record: results_pb2.JobRecord) -> None:
    job = transition.jobs[canonical_id(record.job_id)]
    if not record.HasField("outage_error") or not _is_of_present_round(job, finder, record):
        return
    if not job.stopping_to and job.finish_time is None and not job.pause_reason:
        error = record.outage_error
        job.set_error(error.reason, error.message, error.detail)
        _pause(transition, job, jobs_pb2.PAUSE_REASON_OUTAGE)


async def _note_outages(
    transition: Transition, finder: ChunkFinder, records: Sequence[results_pb2.JobRecord]
) -> None:
    reports = {}
    for record in records:
        job_id = canonical_id(record.job_id)
        if record.outage_changes and finder.has_lease_of(job_id):
            for change in record.outage_changes:
                reports[job_id, outage_report_id(change)] = outage_message(change)
    if reports:
        await transition.history.add_reports(jobs_pb2.JOB_CHANGE_OUTAGE, transition.jobs, reports)


async def _pause_refused(transition: Transition, results: Sequence[NewResult]) -> None:
    """Pauses the jobs whose first items the provider refused, all in the same way.

    Args:
        transition: Transition of the results.
        results: Results that it inserted, in the order of the records.
    """
    for job_id in sorted({result.job_id for result in results if is_refusal(result.error_reason)}):
        job = transition.jobs[job_id]
        failures = [result for result in results if result.job_id == job_id]
        if not completes_first_items(job, len(failures)):
            continue
        earlier_count = job.failed_count - job.carried_count - len(failures)
        first = failures[: FIRST_ITEM_COUNT - earlier_count]
        causes = {(result.error_reason, result.error_message) for result in first}
        causes |= await item_rows.read_latest_errors(transition.tx, job, earlier_count)
        if len(causes) == 1 and is_refusal(first[-1].error_reason):
            job.set_error(
                first[-1].error_reason, refused_message(first[-1].error_message), first[-1].error_detail
            )
            _pause(transition, job, jobs_pb2.PAUSE_REASON_REFUSALS)


def _pause(transition: Transition, job: JobFacts, reason: jobs_pb2.PauseReason) -> None:
    job.pause_reason = reason
    transition.notify_workers(job.job_id)
    transition.tx.after_commit(partial(job_paused, job))


async def _count_deaths(transition: Transition, finder: ChunkFinder, record: results_pb2.JobRecord) -> None:
    job_id = canonical_id(record.job_id)
    for death in record.deaths:
        chunk = finder.leased(job_id, death.chunk_index, death.fence)
        if chunk is None:
            continue
        transition.end_lease(chunk)
        if chunk.quarantined:
            transition.tx.after_commit(LEASES_LOST.labels("child_died").inc)
            await count_child_death(transition, chunk, set(death.suspect_item_indexes))


def _release(transition: Transition, finder: ChunkFinder, record: results_pb2.JobRecord) -> None:
    job = transition.jobs[canonical_id(record.job_id)]
    for release in record.releases:
        chunk = finder.leased(job.job_id, release.chunk_index, release.fence)
        if chunk is None:
            continue
        had_remainder = has_remainder_lease(job)
        transition.end_lease(chunk)
        if release.needed_micros > 0 and job.budget_micros is not None:
            chunk.allowance_micros = min(release.needed_micros, MAX_COUNT)
            if had_remainder:
                pause_if_spent(job, chunk.allowance_micros)
        if release.job_delay_ms > 0:
            job.not_before = max(job.not_before, transition.now + _delay(release.job_delay_ms))


def _delay(milliseconds: int) -> int:
    return max(0, min(milliseconds, MAX_DELAY_MS)) * MILLISECOND
