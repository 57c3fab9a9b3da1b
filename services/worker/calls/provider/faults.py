"""Maps a failed call to its consequence: another attempt, a failed item or a failed job.

=========================================  ===========  ==============================================
the provider's response                    consequence  reason
=========================================  ===========  ==============================================
429                                        again        RATE_LIMITED, not before Retry-After
429 insufficient_quota, 402                job fails    PROVIDER_QUOTA_EXHAUSTED
401, 403                                   job fails    PROVIDER_KEY_REFUSED
404, or the code model_not_found           job fails    MODEL_UNKNOWN
404 without an error object                job fails    PROVIDER_URL_WRONG
408, 409, 425, 3xx, 5xx                    again        PROVIDER_ERROR, not before Retry-After
any other 4xx (also context too long)      item fails   PROVIDER_REFUSED_INPUT
no response in time                        again        PROVIDER_TIMEOUT
no connection, or a broken one             again        PROVIDER_UNREACHABLE
200 with an error in it                    as its status, see ``error_in_body``
200 otherwise                              see ``response``
no key and no base URL, or a bad URL        job fails    PROVIDER_NOT_CONFIGURED
=========================================  ===========  ==============================================

A provider's error codes are passed on. Its messages are not, because they repeat parts of keys and inputs.
"""

import re

from headrace.kinds import ItemFailedError, JobFailedError, RetryableError
from headrace.reasons import ErrorReason
from services.worker.calls.provider.error_response import ErrorResponse
from services.worker.calls.provider.retry_after import read_retry_after

# Reasons of calls that may succeed in another attempt.
PASSING_REASONS = frozenset(
    {
        ErrorReason.RATE_LIMITED,
        ErrorReason.PROVIDER_ERROR,
        ErrorReason.PROVIDER_TIMEOUT,
        ErrorReason.PROVIDER_UNREACHABLE,
        ErrorReason.BROKEN_ANSWER,
    }
)
_QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_RETRYABLE_STATUSES = {408, 409, 425}
_CODE = re.compile(r"[A-Za-z0-9_.\[\]]{1,64}")


def status_fault(error: ErrorResponse) -> RetryableError | ItemFailedError:
    """Returns the error for a response with an error status. See the table above."""
    status = error.status
    retry_after = read_retry_after(error.headers)
    if status == 402 or (status < 500 and {error.code, error.type} & _QUOTA_CODES):
        return JobFailedError(ErrorReason.PROVIDER_QUOTA_EXHAUSTED, "the quota at the provider is spent")
    if status == 429:
        return RetryableError(ErrorReason.RATE_LIMITED, "the provider's rate limit is reached", retry_after)
    if status in (401, 403):
        return JobFailedError(
            ErrorReason.PROVIDER_KEY_REFUSED,
            f"the provider refused the key (HTTP {status}); check OPENAI_API_KEY",
        )
    if error.code == "model_not_found" or (status == 404 and isinstance(error.body, dict) and error.type):
        return JobFailedError(ErrorReason.MODEL_UNKNOWN, "the provider does not know the model")
    if status == 404:
        return JobFailedError(
            ErrorReason.PROVIDER_URL_WRONG,
            "the provider's URL serves no chat completions (HTTP 404); check OPENAI_BASE_URL",
        )
    if status in _RETRYABLE_STATUSES or not 400 <= status < 500:
        return RetryableError(ErrorReason.PROVIDER_ERROR, f"the provider failed (HTTP {status})", retry_after)
    return ItemFailedError(
        ErrorReason.PROVIDER_REFUSED_INPUT, f"the provider refused the request ({_describe(status, error)})"
    )


def timeout_fault() -> RetryableError:
    """Returns the error for a call without a response in time."""
    return RetryableError(ErrorReason.PROVIDER_TIMEOUT, "the provider did not respond in time")


def connection_fault() -> RetryableError:
    """Returns the error for a connection that failed or broke."""
    return RetryableError(
        ErrorReason.PROVIDER_UNREACHABLE, "the provider cannot be reached, or the connection broke"
    )


def _describe(status: int, error: ErrorResponse) -> str:
    parts = [f"HTTP {status}"]
    for name, value in (("code", error.code), ("param", error.param)):
        if isinstance(value, str) and _CODE.fullmatch(value):
            parts.append(f"{name} {value}")
    return ", ".join(parts)
