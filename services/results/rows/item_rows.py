"""Rows of results and item_attempts, read and written under the lock of their jobs."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row

from services.results.database.transaction import Transaction
from services.results.rules.facts import JobFacts

_USAGE = (
    "call_count bigint, input_tokens bigint, output_tokens bigint, cached_tokens bigint, cost_micros bigint"
)
_USAGE_NAMES = "call_count, input_tokens, output_tokens, cached_tokens, cost_micros"


class Usage(NamedTuple):
    """Usage of calls to the provider."""

    call_count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_micros: int = 0


class NewResult(NamedTuple):
    """A result to insert.

    Attributes:
        round: Round of the result: the job's round for a failure, 0 for a success.
        current_round: The job's round.
        next_round: The round that a retry of the job prepares; 0 if none.
        failed_attempts: Text in the form of ``rows.failed_attempts``.
        answered_models: Names, one on each line.
    """

    job_id: str
    item_index: int
    round: int
    current_round: int
    seq: int
    state: int
    output: str
    output_bytes: int
    error_reason: str
    error_message: str
    attempt_count: int
    call_count: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_micros: int
    finish_time: int
    failed_attempts: str = ""
    error_detail: str = ""
    answered_models: str = ""
    next_round: int = 0


class Attempts(NamedTuple):
    """Attempts of an item that waits for another one.

    Attributes:
        failed_attempts: Text in the form of ``rows.failed_attempts``.
        work_time: Time spent on the item in these attempts, in microseconds.
    """

    job_id: str
    item_index: int
    round: int
    attempt_count: int
    due_time: int
    call_count: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_micros: int
    error_reason: str
    error_message: str
    failed_attempts: str = ""
    work_time: int = 0
    error_detail: str = ""
    answered_models: str = ""

    @property
    def usage(self) -> Usage:
        """Usage of these attempts."""
        return Usage(
            call_count=self.call_count,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cached_tokens=self.cached_tokens,
            cost_micros=self.cost_micros,
        )


class ItemRange(NamedTuple):
    """Items of a job in its current round, from first_index up to, but not including, end_index."""

    job_id: str
    round: int
    first_index: int
    end_index: int


# Not NOT EXISTS: PostgreSQL turns that into a join. If it plans the join while the table is empty, the plan
# reads all results at every call until the table is analysed again.
_INSERT = f"""
INSERT INTO results (job_id, item_index, round, seq, state, output, output_bytes, error_reason,
    error_message, attempt_count, {_USAGE_NAMES}, finish_time, failed_attempts, error_detail,
    answered_models)
SELECT r.job_id, r.item_index, r.round, r.seq, r.state, r.output, r.output_bytes, r.error_reason,
    r.error_message, r.attempt_count, r.call_count, r.input_tokens, r.output_tokens, r.cached_tokens,
    r.cost_micros, r.finish_time, r.failed_attempts, r.error_detail, r.answered_models
FROM ROWS(r: job_id text, item_index bigint, round bigint, current_round bigint, seq bigint, state bigint,
    output text, output_bytes bigint, error_reason text, error_message text, attempt_count bigint, {_USAGE},
    finish_time bigint, failed_attempts text, error_detail text, answered_models text, next_round bigint)
WHERE (SELECT 1 FROM results e WHERE e.job_id = r.job_id AND e.item_index = r.item_index
       AND e.round IN (0, r.current_round, r.next_round) LIMIT 1) IS NULL
ON CONFLICT DO NOTHING RETURNING job_id, item_index"""
_RANGES = "ROWS(k: job_id text, round bigint, first_index bigint, end_index bigint)"
_FINISHED = f"""
SELECT e.job_id, e.item_index FROM {_RANGES} JOIN results e ON e.job_id = k.job_id
AND e.item_index >= k.first_index AND e.item_index < k.end_index AND (e.round = 0 OR e.round = k.round)"""
_ATTEMPTS = f"""
SELECT {", ".join("t." + name for name in Attempts._fields)} FROM {_RANGES}
JOIN item_attempts t ON t.job_id = k.job_id AND t.round = k.round
AND t.item_index >= k.first_index AND t.item_index < k.end_index"""
_SAVE_ATTEMPTS = f"""
INSERT INTO item_attempts ({", ".join(Attempts._fields)}) SELECT {", ".join(Attempts._fields)}
FROM ROWS(attempted: job_id text, item_index bigint, round bigint, attempt_count bigint, due_time bigint,
    {_USAGE}, error_reason text, error_message text, failed_attempts text, work_time bigint,
    error_detail text, answered_models text) WHERE true
ON CONFLICT (job_id, item_index) DO UPDATE SET
{", ".join(f"{name} = excluded.{name}" for name in Attempts._fields[2:])}"""

# The latest first: rows of earlier rounds, and failures carried into this one, have a lower seq.
_LATEST_ERRORS = """
SELECT e.error_reason, e.error_message FROM results e
WHERE e.job_id = :job_id AND e.item_index >= 0 AND e.seq <= :seq AND e.round = :round
ORDER BY e.seq DESC, e.item_index DESC LIMIT :limit"""


async def insert_results(tx: Transaction, results: Sequence[NewResult]) -> set[tuple[str, int]]:
    """Inserts results of items that have none. Returns the items (job id, item index) that it inserted."""
    rows: Sequence[Row[Any]] = await tx.run(_INSERT, r=results) if results else []
    return {(row.job_id, row.item_index) for row in rows}


async def read_latest_errors(tx: Transaction, job: JobFacts, limit: int) -> set[tuple[str, str]]:
    """Returns the distinct errors (reason, message) of the failures recorded last in the current round.

    Args:
        tx: The transaction.
        job: A locked job. Results with a seq above its own, which this transaction inserted, are left out.
        limit: Number of failures to read.
    """
    plain = {"job_id": job.job_id, "seq": job.seq, "round": job.round, "limit": limit}
    rows: Sequence[Row[Any]] = await tx.run(_LATEST_ERRORS, plain) if limit else []
    return {(row.error_reason, row.error_message) for row in rows}


async def read_finished(tx: Transaction, ranges: Sequence[ItemRange]) -> set[tuple[str, int]]:
    """Returns the items (job id, item index) of these ranges that have a result in the current round."""
    rows: Sequence[Row[Any]] = await tx.run(_FINISHED, k=ranges) if ranges else []
    return {(row.job_id, row.item_index) for row in rows}


async def read_attempts(tx: Transaction, ranges: Sequence[ItemRange]) -> dict[tuple[str, int], Attempts]:
    """Returns the stored attempts of the items in these ranges, by job id and item index."""
    rows: Sequence[Row[Any]] = await tx.run(_ATTEMPTS, k=ranges) if ranges else []
    return {(row.job_id, row.item_index): Attempts(*tuple(row)) for row in rows}


def save_attempts(tx: Transaction, attempts: Iterable[Attempts]) -> None:
    """Queues the newest attempts of each item."""
    rows = list({(entry.job_id, entry.item_index): entry for entry in attempts}.values())
    if rows:
        tx.later(_SAVE_ATTEMPTS, attempted=rows)
