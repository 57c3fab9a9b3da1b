"""Finds the chunks that records refer to."""

from collections.abc import Iterator, Sequence

from services.results.rows import chunk_rows
from services.results.rows.messages import canonical_id
from services.results.rules.facts import ChunkFacts
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2


class ChunkFinder:
    """Chunks that records name, and chunks that contain the records' items now.

    They differ if a chunk was halved after the lease that a record names.
    """

    def __init__(self, incarnation: str) -> None:
        self._incarnation = incarnation
        self._named: dict[tuple[str, int], ChunkFacts] = {}
        self._around: dict[tuple[str, int], ChunkFacts] = {}
        self._leased_job_ids: set[str] = set()

    @classmethod
    async def open(
        cls, transition: Transition, incarnation: str, records: Sequence[results_pb2.JobRecord]
    ) -> "ChunkFinder":
        """Reads the chunks for records, whose jobs are locked."""
        finder = cls(incarnation)
        names = {name for record in records for name in _names(record)}
        named = transition.track_chunks(await chunk_rows.read_chunks(transition.tx, names))
        finder._named = {(chunk.job_id, chunk.chunk_index): chunk for chunk in named}
        await finder._find_around(transition, records)
        if any(_needs_lease(record) for record in records):
            leased = await chunk_rows.read_leased_chunks(transition.tx, incarnation)
            finder._leased_job_ids = {chunk.job_id for chunk in leased}
        return finder

    async def _find_around(self, transition: Transition, records: Sequence[results_pb2.JobRecord]) -> None:
        elsewhere = set()
        for record in records:
            job_id = canonical_id(record.job_id)
            for item in record.items:
                chunk = self._named.get((job_id, item.chunk_index))
                if chunk and chunk.first_index <= item.item_index < chunk.end_index:
                    self._around[job_id, item.item_index] = chunk
                elif 0 <= item.item_index < transition.jobs[job_id].total_count:
                    elsewhere.add((job_id, item.item_index))
        found = transition.track_chunks(await chunk_rows.read_chunks_around(transition.tx, elsewhere))
        for name in elsewhere:
            for chunk in found:
                if chunk.job_id == name[0] and chunk.first_index <= name[1] < chunk.end_index:
                    self._around[name] = chunk

    def around(self, job_id: str, item_index: int) -> ChunkFacts | None:
        """Returns the chunk that contains an item now; None if the job has no such item."""
        return self._around.get((job_id, item_index))

    def leased(self, job_id: str, chunk_index: int, fence: int) -> ChunkFacts | None:
        """Returns a chunk by its lease; None if the recording worker does not have that lease."""
        chunk = self._named.get((job_id, chunk_index))
        return chunk if chunk and chunk.is_leased_to(self._incarnation, fence) else None

    def has_lease_of(self, job_id: str) -> bool:
        """Returns whether the recording worker had a lease of a job.

        Needs a record with one of the fields that are honoured only under a lease.
        """
        return job_id in self._leased_job_ids


def _needs_lease(record: results_pb2.JobRecord) -> bool:
    return record.HasField("job_error") or record.HasField("outage_error") or bool(record.outage_changes)


def _names(record: results_pb2.JobRecord) -> Iterator[tuple[str, int]]:
    job_id = canonical_id(record.job_id)
    for item in record.items:
        yield job_id, item.chunk_index
    for deferral in record.deferrals:
        yield job_id, deferral.chunk_index
    for release in record.releases:
        yield job_id, release.chunk_index
    for death in record.deaths:
        yield job_id, death.chunk_index
