"""Stored text of failed attempts: a JSON list of [number, reason, message, detail]; empty if there are none.

An entry without a detail has three elements, like every entry from before there were details.
"""

import json
from collections.abc import Iterable
from typing import Any

from headrace.jobs.v1 import jobs_pb2
from services.results.rows.record_limits import MAX_REASON_CHARACTERS
from services.shared.failed_attempts import (
    MAX_DETAIL_CHARACTERS,
    MAX_FAILED_ATTEMPTS,
    MAX_MESSAGE_CHARACTERS,
    with_failed_attempt,
)


def encode_attempts(attempts: Iterable[jobs_pb2.FailedAttempt]) -> str:
    """Returns the text of the last ten failed attempts.

    It is ASCII, so its length is never below the size of the attempts in a page of results.
    """
    entries = [_entry_of(each) for each in attempts]
    return json.dumps(entries[-MAX_FAILED_ATTEMPTS:], separators=(",", ":")) if entries else ""


def decode_attempts(text: str) -> list[jobs_pb2.FailedAttempt]:
    """Returns the failed attempts of a stored text."""
    return [
        jobs_pb2.FailedAttempt(
            attempt_number=number,
            error=jobs_pb2.Error(reason=reason, message=message, detail="".join(detail)),
        )
        for number, reason, message, *detail in (json.loads(text) if text else ())
    ]


def encode_failure(
    earlier: Iterable[jobs_pb2.FailedAttempt], attempt_count: int, error: jobs_pb2.Error
) -> str:
    """Returns the text of all attempts of a failed item; adds the last one if it is not among the earlier."""
    return encode_attempts(with_failed_attempt(earlier, max(1, attempt_count), error))


def _entry_of(attempt: jobs_pb2.FailedAttempt) -> list[Any]:
    entry: list[Any] = [
        attempt.attempt_number,
        attempt.error.reason[:MAX_REASON_CHARACTERS],
        attempt.error.message[:MAX_MESSAGE_CHARACTERS],
    ]
    if attempt.error.detail:
        entry.append(attempt.error.detail[:MAX_DETAIL_CHARACTERS])
    return entry
