"""Finding the chunks that records are about."""

from collections.abc import Iterator, Sequence

from services.results.rows import chunk_rows
from services.results.rows.messages import canonical_id
from services.results.rules.facts import Chunk
from services.results.transitions.transition import Transition
from services.stubs.results.v1 import results_pb2


class ChunkFinder:
    """The chunks that records name, and those that the records' items are in now.

    They differ where a chunk was halved after the lease that a record speaks of.
    """

    def __init__(self, incarnation: str) -> None:
        self._incarnation = incarnation
        self._named: dict[tuple[str, int], Chunk] = {}
        self._around: dict[tuple[str, int], Chunk] = {}
        self._holding: set[str] = set()

    @classmethod
    async def open(
        cls, transition: Transition, incarnation: str, records: Sequence[results_pb2.JobRecord]
    ) -> "ChunkFinder":
        """Returns a finder for records, whose jobs are under lock."""
        finder = cls(incarnation)
        names = {name for record in records for name in _names(record)}
        named = transition.watch_chunks(await chunk_rows.read_chunks(transition.tx, names))
        finder._named = {(chunk.job_id, chunk.chunk_index): chunk for chunk in named}
        await finder._find_around(transition, records)
        if any(record.HasField("job_error") for record in records):
            held = await chunk_rows.read_held_chunks(transition.tx, incarnation)
            finder._holding = {chunk.job_id for chunk in held}
        return finder

    async def _find_around(self, transition: Transition, records: Sequence[results_pb2.JobRecord]) -> None:
        astray = set()
        for record in records:
            job_id = canonical_id(record.job_id)
            for item in record.items:
                chunk = self._named.get((job_id, item.chunk_index))
                if chunk and chunk.first_index <= item.item_index < chunk.end_index:
                    self._around[job_id, item.item_index] = chunk
                elif 0 <= item.item_index < transition.jobs[job_id].total_count:
                    astray.add((job_id, item.item_index))
        found = transition.watch_chunks(await chunk_rows.read_chunks_around(transition.tx, astray))
        for name in astray:
            for chunk in found:
                if chunk.job_id == name[0] and chunk.first_index <= name[1] < chunk.end_index:
                    self._around[name] = chunk

    def around(self, job_id: str, item_index: int) -> Chunk | None:
        """Returns the chunk that an item is in now; None if the job has no such item."""
        return self._around.get((job_id, item_index))

    def held(self, job_id: str, chunk_index: int, fence: int) -> Chunk | None:
        """Returns a chunk by its lease; None if that lease is not held by the recording worker."""
        chunk = self._named.get((job_id, chunk_index))
        return chunk if chunk and chunk.is_held(self._incarnation, fence) else None

    def holds_any(self, job_id: str) -> bool:
        """Returns whether the recording worker held a lease of a job; asked for jobs with a job_error."""
        return job_id in self._holding


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
