"""Bounds the failed attempts that are kept of an item: the last ten of its round, with short messages."""

from collections.abc import Iterable

from headrace.jobs.v1 import jobs_pb2

MAX_FAILED_ATTEMPTS = 10
MAX_MESSAGE_CHARACTERS = 300
MAX_DETAIL_CHARACTERS = 500


def with_failed_attempt(
    earlier: Iterable[jobs_pb2.FailedAttempt], attempt_number: int, error: jobs_pb2.Error
) -> list[jobs_pb2.FailedAttempt]:
    """Returns the attempts to keep after another one has failed.

    The new attempt replaces an earlier report of the same attempt.

    Args:
        earlier: Failed attempts before, in order of their numbers.
        attempt_number: Number of the new attempt, from 1.
        error: Error of the new attempt. A long message or detail is cut.
    """
    kept = [each for each in earlier if each.attempt_number < attempt_number]
    latest = jobs_pb2.FailedAttempt(attempt_number=attempt_number, error=error)
    latest.error.message = _cut(error.message, MAX_MESSAGE_CHARACTERS)
    latest.error.detail = _cut(error.detail, MAX_DETAIL_CHARACTERS)
    return [*kept, latest][-MAX_FAILED_ATTEMPTS:]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
