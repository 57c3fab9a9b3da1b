"""Selection of the items that a retry runs, and the rows of the others in the new round."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from headrace.jobs.v1 import jobs_pb2
from headrace.reasons import ErrorReason
from services.results.database.transaction import Transaction
from services.results.rules.facts import JobFacts
from services.stubs.results.v1 import results_pb2

# Items of one transaction.
MAX_CARRIED_ITEMS = 10_000
# Distance of the seq of left over items from that of the retry, if other changes can come between.
SEQ_GAP = 1_000_000

_LEFT_OVER_MESSAGE = "its job ended before it had a result, and the retry did not select it"

_IS_ANY_SELECTED = """
SELECT 1 WHERE EXISTS (
    SELECT 1 FROM results e WHERE e.job_id = :job_id AND e.round = :round
    AND e.error_reason IN (SELECT w.reason FROM ROWS(w: reason text)))
OR EXISTS (
    SELECT 1 FROM ROWS(i: item_index bigint) WHERE i.item_index >= 0 AND i.item_index < :total_count
    AND (SELECT 1 FROM results e WHERE e.job_id = :job_id AND e.item_index = i.item_index AND e.round = 0
         LIMIT 1) IS NULL)"""
_COLUMNS = """job_id, item_index, round, seq, state, output, output_bytes, error_reason, error_message,
    attempt_count, call_count, input_tokens, output_tokens, cached_tokens, cost_micros, finish_time,
    failed_attempts, error_detail, answered_models"""
# A copy keeps its seq: readers in the order of recording see each failure once, in the old round or the new.
_CARRY = f"""
INSERT INTO results ({_COLUMNS})
SELECT {", ".join("e." + name.strip() for name in _COLUMNS.split(",")).replace("e.round", ":next_round")}
FROM results e WHERE e.job_id = :job_id AND e.round = :round
AND e.item_index >= :first_index AND e.item_index < :end_index
AND e.error_reason NOT IN (SELECT w.reason FROM ROWS(w: reason text))
AND e.item_index NOT IN (SELECT i.item_index FROM ROWS(i: item_index bigint))"""
_FAIL_LEFT_OVER = f"""
INSERT INTO results ({_COLUMNS})
SELECT c.job_id, c.first_index + n.place, :next_round, :seq, :state, '', 0, :reason, :message,
    0, 0, 0, 0, 0, 0, :now, '', '', ''
FROM chunks c CROSS JOIN ROWS(n: place bigint)
WHERE c.job_id = :job_id AND c.unfinished_count > 0 AND n.place < c.item_count
AND c.first_index > :before_index AND c.first_index < :end_index AND c.first_index >= 0
AND c.first_index + n.place >= :first_index AND c.first_index + n.place < :end_index
AND c.first_index + n.place NOT IN (SELECT i.item_index FROM ROWS(i: item_index bigint))
AND (SELECT 1 FROM results e WHERE e.job_id = c.job_id AND e.item_index = c.first_index + n.place
     AND e.round IN (0, :round) LIMIT 1) IS NULL"""


class Selection(NamedTuple):
    """Selection of a retry.

    Attributes:
        reasons: Reasons of failed items to run.
        item_indexes: Items to run.
        seq: Number that items without a result get if they are not selected. Readers in the order of
            recording must not have passed it when the new round begins.
    """

    reasons: Sequence[str]
    item_indexes: Sequence[int]
    seq: int

    @property
    def rows(self) -> dict[str, Sequence[tuple[Any]]]:
        """Its tables of rows for the statements."""
        return {
            "w": [(reason,) for reason in self.reasons],
            "i": [(item_index,) for item_index in self.item_indexes],
        }


def selection_of(
    request: results_pb2.RetryJobRequest, keyed_indexes: Sequence[int], seq: int
) -> Selection | None:
    """Returns what a retry selects. None: it runs every item without a success.

    Args:
        request: The request.
        keyed_indexes: Positions of the items with the keys of the request.
        seq: Number for items without a result.
    """
    if not (request.reasons or request.item_indexes or request.item_keys):
        return None
    return Selection(list(request.reasons), [*request.item_indexes, *keyed_indexes], seq)


def encode_selection(selection: Selection | None) -> str:
    """Returns the stored text of a selection; empty for None."""
    return json.dumps(selection._asdict()) if selection is not None else ""


def decode_selection(text: str) -> Selection:
    """Returns the selection of a stored text that is not empty."""
    return Selection(**json.loads(text))


async def is_any_selected(tx: Transaction, job: JobFacts, selection: Selection) -> bool:
    """Returns whether a retry selects at least one item without a success."""
    plain = {"job_id": job.job_id, "round": job.round, "total_count": job.total_count}
    return bool(await tx.run(_IS_ANY_SELECTED, plain, **selection.rows))


async def carry_unselected(
    tx: Transaction, job: JobFacts, selection: Selection, next_round: int, items: range
) -> None:
    """Inserts a failure in the next round for each item of a range that a retry does not select.

    A failure is copied. An item without a result fails (ITEM_NOT_SELECTED). Call it before the chunks of the
    job are reopened: it looks for items without a result in chunks that have some.
    """
    plain: dict[str, Any] = {
        "job_id": job.job_id,
        "round": job.round,
        "next_round": next_round,
        "first_index": items.start,
        "end_index": items.stop,
    }
    await tx.run(_CARRY, plain, **selection.rows)
    failure = {
        "before_index": items.start - job.chunk_size,  # No chunk that starts here reaches the range.
        "seq": selection.seq,
        "state": jobs_pb2.ITEM_STATE_FAILED,
        "reason": ErrorReason.ITEM_NOT_SELECTED,
        "message": _LEFT_OVER_MESSAGE,
        "now": tx.now,
    }
    places = [(place,) for place in range(job.chunk_size)]
    await tx.run(_FAIL_LEFT_OVER, plain | failure, n=places, i=selection.rows["i"])
