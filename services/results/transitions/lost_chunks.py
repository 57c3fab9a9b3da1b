"""What becomes of a chunk whose lease ended with the process that worked on it."""

from collections.abc import Collection

from headrace.jobs.v1 import jobs_pb2
from services.results.rows import item_rows
from services.results.rows.failed_attempts import decode_attempts, encode_failure
from services.results.rows.item_rows import Attempts, NewResult, Usage
from services.results.rules.facts import Chunk
from services.results.rules.losses import Losses, Verdict, count_death, count_loss, cut_around
from services.results.transitions.transition import Transition


async def lose_chunk(transition: Transition, chunk: Chunk) -> None:
    """Counts that a chunk, whose lease has been ended, was lost with its whole worker."""
    after, verdict = count_loss(_losses_of(chunk), chunk.unfinished_count)
    _set_losses(chunk, after)
    if verdict is Verdict.AGAIN or transition.jobs[chunk.job_id].stopping_to:
        return
    unfinished = await _read_unfinished(transition, chunk)
    if verdict is Verdict.HALVE:
        _cut(transition, chunk, unfinished, unfinished)
    else:
        await _fail_item(transition, chunk, unfinished[0])


async def bury_chunk(transition: Transition, chunk: Chunk, suspects: Collection[int]) -> None:
    """Counts that the child process died which ran a quarantined chunk, whose lease has been ended.

    Args:
        transition: The transition, with the job under lock.
        chunk: The chunk.
        suspects: Indexes of items that were started and had no outcome; none: it may have been any.
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
    if len(suspected) == 1:  # the only one that was at work: it has died alone for the first time
        part = next(part for part in parts if part.first_index <= suspected[0] < part.end_index)
        _set_losses(part, count_death(_losses_of(part), 1)[0])


def _losses_of(chunk: Chunk) -> Losses:
    return Losses(chunk.loss_count, chunk.quarantined, chunk.quarantine_loss_count)


def _set_losses(chunk: Chunk, losses: Losses) -> None:
    chunk.loss_count, chunk.quarantined, chunk.quarantine_loss_count = losses


async def _read_unfinished(transition: Transition, chunk: Chunk) -> list[int]:
    finished = await item_rows.read_finished(transition.tx, [transition.range_of(chunk)])
    indexes = range(chunk.first_index, chunk.end_index)
    return [index for index in indexes if (chunk.job_id, index) not in finished]


def _cut(
    transition: Transition, chunk: Chunk, unfinished: Collection[int], suspects: Collection[int]
) -> list[Chunk]:
    parts = [chunk]
    for index in reversed(cut_around(sorted(unfinished), sorted(suspects))):
        behind = sum(index <= other < chunk.end_index for other in unfinished)
        parts.append(transition.split(chunk, index, behind))
    return parts


async def _fail_item(transition: Transition, chunk: Chunk, item_index: int) -> None:
    job = transition.jobs[chunk.job_id]
    name = (job.job_id, item_index)
    attempts: dict[tuple[str, int], Attempts] = {}
    if job.has_deferrals:
        attempts = await item_rows.read_attempts(transition.tx, [transition.range_of(chunk)])
    tried = attempts.get(name)
    attempt_count = tried.attempt_count + 1 if tried else 1
    error = jobs_pb2.Error(reason="WORKER_LOST", message="every process that ran this item alone died")
    failure = NewResult(
        *name,
        job.round,
        job.round,
        job.seq + 1,
        jobs_pb2.ITEM_STATE_FAILED,
        "",
        0,
        error.reason,
        error.message,
        attempt_count,
        *(tried.usage if tried else Usage()),
        transition.now,
        encode_failure(decode_attempts(tried.failed_attempts) if tried else (), attempt_count, error),
    )
    if await transition.add_results([failure]):
        transition.finish_item(chunk)
