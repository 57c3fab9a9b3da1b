"""AppendItems: adds items to an upload, and closes it."""

from collections.abc import Sequence
from functools import partial
from itertools import count

from headrace.errors import InternalError
from headrace.reasons import ErrorReason
from services.results.database.database import Database
from services.results.database.failures import ContentRefusedError
from services.results.database.transaction import Transaction
from services.results.metrics import ITEMS_APPENDED
from services.results.rows import chunk_rows, key_rows
from services.results.rows.chunk_rows import Block, new_chunk
from services.results.rows.messages import job_message
from services.results.rules.chunks import chunk_size
from services.results.rules.facts import JobFacts
from services.results.rules.trials import cut_items
from services.results.rules.uploads import IDLE_TIMEOUT, Batch, judge_batch
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2


async def append_items(
    database: Database, request: results_pb2.AppendItemsRequest
) -> results_pb2.AppendItemsResponse:
    """Stores the new items of the request and returns the number of stored items.

    Items that are stored already are skipped. A request without items and without a total only reads the
    number, which is allowed in every state.

    Raises:
        NotFoundError: The tenant has no such job.
        AbortedError: The request starts after the stored items (UPLOAD_OFFSET).
        FailedPreconditionError: The upload is closed (UPLOAD_CLOSED) or has another total (UPLOAD_TOTAL), or
            its job began to end before the upload was finished (JOB_ENDED).
        InvalidArgumentError: Another item has one of the keys (ITEM_KEY_TAKEN). None of the items is stored.
        InternalError: The database refuses these items for good (STORE_REFUSED).
    """
    attempts = count()
    try:
        return await database.write(lambda tx: _append_in(tx, request, is_repeated=next(attempts) > 0))
    except ContentRefusedError as error:
        raise InternalError(
            f"the database refuses these items: {error}", reason=ErrorReason.STORE_REFUSED
        ) from None


async def _append_in(
    tx: Transaction, request: results_pb2.AppendItemsRequest, *, is_repeated: bool
) -> results_pb2.AppendItemsResponse:
    transition = Transition(tx)
    job = await transition.lock_owned(request.job_id, request.tenant)
    total = request.finish_total_count if request.HasField("finish_total_count") else None
    addition = judge_batch(job, Batch(request.first_item_index, len(request.items), total))
    response = results_pb2.AppendItemsResponse()
    if addition.new_count or addition.closes:
        new = slice(addition.skipped_count, None)
        keys = request.item_keys[new]
        _add(transition, job, request.items[new], keys)
        if any(keys):
            await _add_keys(transition, job, keys, is_repeated=is_repeated)
        job.upload_open = not addition.closes
        tx.after_commit(partial(ITEMS_APPENDED.inc, addition.new_count))
        response.effects.CopyFrom(await transition.finish())
    response.stored_count = job.total_count
    response.job.CopyFrom(job_message(job, tx.retention))
    return response


def _add(transition: Transition, job: JobFacts, items: Sequence[str], item_keys: Sequence[str]) -> None:
    """Adds items to a job, in chunks sized for its new number of items."""
    if not items:
        return
    stored = job.total_count
    job.total_count += len(items)
    job.chunk_size = max(job.chunk_size, chunk_size(job.total_count))
    job.upload_expire_time = transition.now + IDLE_TIMEOUT
    blocks = []
    item_bytes = [len(item.encode()) for item in items]
    for cut in cut_items(item_bytes, job.chunk_size, stored, job.trial_end):
        transition.add_chunk(new_chunk(job.job_id, job.chunk_count, cut))
        part = slice(cut.first_index - stored, cut.end_index - stored)
        blocks.append(Block(job.job_id, cut.first_index, items[part], item_keys[part]))
    chunk_rows.insert_blocks(transition.tx, blocks)


async def _add_keys(
    transition: Transition, job: JobFacts, item_keys: Sequence[str], *, is_repeated: bool
) -> None:
    """Inserts the keys of the last items of a job.

    The first attempt expects that they are free. A violation of the primary key names one of them only, and
    repeats the transaction, which then compares each.
    """
    first_index = job.total_count - len(item_keys)
    if not job.has_keys:
        key_rows.mark_job(transition.tx, job)
    if is_repeated:
        await key_rows.insert_free_keys(transition.tx, job.job_id, item_keys, first_index)
    else:
        key_rows.insert_added_keys(transition.tx, job.job_id, item_keys, first_index)
