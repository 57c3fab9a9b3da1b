"""The messages that tell results of held items and chunks."""

from services.stubs.results.v1 import results_pb2
from services.worker.items.item_runner import ItemOutcome
from services.worker.items.leased_work import LeasedChunk, LeasedItem


def item_record(item: LeasedItem, outcome: ItemOutcome) -> results_pb2.ItemRecord:
    """Returns the record of an item that is finished."""
    return results_pb2.ItemRecord(
        item_index=item.leased.item_index,
        chunk_index=item.chunk.ref.chunk_index,
        fence=item.chunk.ref.fence,
        round=item.chunk.round,
        output=outcome.output or "",
        error=outcome.error,
        attempt_count=outcome.attempt_count,
        usage=outcome.usage,
        failed_attempts=outcome.failed_attempts,
    )


def item_deferral(item: LeasedItem, delay_seconds: float) -> results_pb2.ItemDeferral:
    """Returns the deferral of an item: the attempts made of it, and when it is due again."""
    return results_pb2.ItemDeferral(
        item_index=item.leased.item_index,
        chunk_index=item.chunk.ref.chunk_index,
        fence=item.chunk.ref.fence,
        delay_ms=round(delay_seconds * 1000),
        attempt_count=item.leased.attempt_count,
        usage=item.leased.usage,
        error=item.last_error,
        failed_attempts=item.leased.failed_attempts,
        work_time=item.leased.work_time,
    )


def chunk_release(chunk: LeasedChunk, not_before_seconds: float) -> results_pb2.ChunkRelease:
    """Returns the release of a chunk; 0.0: the job may be leased again at once."""
    return results_pb2.ChunkRelease(
        chunk_index=chunk.ref.chunk_index,
        fence=chunk.ref.fence,
        job_delay_ms=round(not_before_seconds * 1000),
        needed_micros=chunk.needed_micros,
    )


def chunk_death(chunk: LeasedChunk) -> results_pb2.ChunkDeath:
    """Returns the death of a chunk's child process, with the items that were in flight in it."""
    return results_pb2.ChunkDeath(
        chunk_index=chunk.ref.chunk_index, fence=chunk.ref.fence, suspect_item_indexes=chunk.suspects
    )
