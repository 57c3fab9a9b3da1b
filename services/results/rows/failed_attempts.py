"""Failed tries as the text that is stored: a JSON list of [number, reason, message], empty for none."""

import json
from collections.abc import Iterable

from headrace.jobs.v1 import jobs_pb2
from services.results.rows.unstorable import MAX_REASON_CHARACTERS
from services.shared.failed_attempts import MAX_FAILED_TRIES, MAX_MESSAGE_CHARACTERS, with_failed_try


def encode_tries(tries: Iterable[jobs_pb2.FailedTry]) -> str:
    """Returns the text of failed tries, the last ten, in ASCII: it is no shorter than what is shown of it."""
    kept = [
        [
            each.try_number,
            each.error.reason[:MAX_REASON_CHARACTERS],
            each.error.message[:MAX_MESSAGE_CHARACTERS],
        ]
        for each in tries
    ]
    return json.dumps(kept[-MAX_FAILED_TRIES:], separators=(",", ":")) if kept else ""


def decode_tries(text: str) -> list[jobs_pb2.FailedTry]:
    """Returns the failed tries in a stored text."""
    return [
        jobs_pb2.FailedTry(try_number=number, error=jobs_pb2.Error(reason=reason, message=message))
        for number, reason, message in (json.loads(text) if text else ())
    ]


def encode_failure(earlier: Iterable[jobs_pb2.FailedTry], try_count: int, error: jobs_pb2.Error) -> str:
    """Returns the text of the tries of an item that failed in its last one, whether that is listed or not."""
    return encode_tries(with_failed_try(earlier, max(1, try_count), error))
