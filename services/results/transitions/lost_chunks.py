"""Consequences for a chunk whose lease ended with the process that worked on it."""

from collections.abc import Collection

from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.results.rows import item_rows
from services.results.rows.failed_attempts import decode_attempts, encode_failure
from services.results.rows.item_rows import Attempts, NewResult, Usage
from services.results.rules.facts import ChunkFacts
from services.results.rules.losses import Losses, Verdict, count_death, count_loss, cut_around
from services.results.transitions.transition import Transition


async def count_worker_loss(transition: Transition, chunk: ChunkFacts) -> bool:
    """Counts the loss of a chunk with its whole worker, and acts on the verdict. Its lease has ended.

    Returns:
        Whether the chunk was put into quarantine.
    """
    was_quarantined = chunk.quarantined
    after, verdict = count_loss(_losses_of(chunk), chunk.unfinished_count)
    _set_losses(chunk, after)
    if verdict is Verdict.AGAIN or transition.jobs[chunk.job_id].stopping_to:
        return after.quarantined and not was_quarantined
    unfinished = await _read_unfinished(transition, chunk)
    if verdict is Verdict.HALVE:
        _cut(transition, chunk, unfinished, unfinished)
    else:
        await _fail_item(transition, chunk, unfinished[0])
    return False


async def count_child_death(transition: Transition, chunk: ChunkFacts, suspects: Collection[int]) -> None:
    """Counts the death of the child process that ran a quarantined chunk. Its lease has ended.

    Args:
        transition: The transition, with the job locked.
        chunk: The chunk.
        suspects: Indexes of the items that were started and have no outcome. If empty, any item is suspect.
    """
    if not chunk.unfinished_count or transition.jobs[chunk.job_id].stopping_to:
        return
    unfinished = await _read_unfinished(transition, chunk)
    suspected = [index for index in unfinished if index in suspects] or unfinished
    after, verdict = count_death(_losses_of(chunk), len(suspected))
    if len(suspected) == len(unfinished) == 1:
        _set_losses(chunk, after)
        if verdict is Verdict.FAIL:
            await _fail_item(transition, chunk, suspected[0])
        return
    _set_losses(chunk, after._replace(quarantine_loss_count=0))
    parts = _cut(transition, chunk, unfinished, suspected)
    if len(suspected) == 1:  # It was the only one running: this is its first death alone.
        part = next(part for part in parts if part.first_index <= suspected[0] < part.end_index)
        _set_losses(part, count_death(_losses_of(part), 1)[0])


def _losses_of(chunk: ChunkFacts) -> Losses:
    return Losses(chunk.loss_count, chunk.quarantined, chunk.quarantine_loss_count)


def _set_losses(chunk: ChunkFacts, losses: Losses) -> None:
    chunk.loss_count, chunk.quarantined, chunk.quarantine_loss_count = losses


async def _read_unfinished(transition: Transition, chunk: ChunkFacts) -> list[int]:
    finished = await item_rows.read_finished(transition.tx, [transition.range_of(chunk)])
    indexes = range(chunk.first_index, chunk.end_index)
    return [index for index in indexes if (chunk.job_id, index) not in finished]


def _cut(
    transition: Transition, chunk: ChunkFacts, unfinished: Collection[int], suspects: Collection[int]
) -> list[ChunkFacts]:
    parts = [chunk]
    for index in reversed(cut_around(sorted(unfinished), sorted(suspects))):
        behind = sum(index <= other < chunk.end_index for other in unfinished)
        parts.append(transition.split(chunk, index, behind))
    return parts


async def _fail_item(transition: Transition, chunk: ChunkFacts, item_index: int) -> None:
    attempts: dict[tuple[str, int], Attempts] = {}
    if transition.jobs[chunk.job_id].has_deferrals:
        attempts = await item_rows.read_attempts(transition.tx, [transition.range_of(chunk)])
    failure = _worker_lost(transition, chunk, item_index, attempts.get((chunk.job_id, item_index)))
    if await transition.add_results([failure]):
        transition.finish_item(chunk)


def _worker_lost(
    transition: Transition, chunk: ChunkFacts, item_index: int, attempts: Attempts | None
) -> NewResult:
    job = transition.jobs[chunk.job_id]
    attempt_count = attempts.attempt_count + 1 if attempts else 1
    earlier = decode_attempts(attempts.failed_attempts) if attempts else ()
    usage = attempts.usage if attempts else Usage()
    error = jobs_pb2.Error(
        reason=ErrorReason.WORKER_LOST, message="every process that ran this item alone died"
    )
    return NewResult(
        job_id=job.job_id,
        item_index=item_index,
        round=job.round,
        current_round=job.round,
        seq=job.seq + 1,
        state=jobs_pb2.ITEM_STATE_FAILED,
        output="",
        output_bytes=0,
        error_reason=error.reason,
        error_message=error.message,
        attempt_count=attempt_count,
        **usage._asdict(),
        answered_models=attempts.answered_models if attempts else "",
        finish_time=transition.now,
        failed_attempts=encode_failure(earlier, attempt_count, error),
    )
