"""Maps a failed call to its consequence: another attempt, a failed item or a failed job.

The provider's profile maps a response with an error status to an action, see ``profiles``.

=========================================  ============  =============================================
the provider's response                    consequence   reason
=========================================  ============  =============================================
overload, such as 429 and 529              again         RATE_LIMITED, not before Retry-After
retry, such as 408, 409, 425, 500          again         PROVIDER_ERROR, not before Retry-After
outage, such as 502, 503, 504              again         PROVIDER_ERROR, not before Retry-After
item_fails, such as a context too long     item fails    PROVIDER_REFUSED_INPUT
job_refused: no quota, such as 402         see below     PROVIDER_QUOTA_EXHAUSTED
job_refused: the key, such as 401, 403     see below     PROVIDER_KEY_REFUSED
job_refused: the model, such as 404        see below     MODEL_UNKNOWN
job_refused: the URL, such as 404          see below     PROVIDER_URL_WRONG
no response in time                        again         PROVIDER_TIMEOUT
no connection, or a broken one             again         PROVIDER_UNREACHABLE
200 with an error in it                    as its status, see ``error_in_body``
200 with an error that names no status     again         BROKEN_ANSWER
200 otherwise                              see ``response``
no key and no base URL, or a bad URL       job fails     PROVIDER_NOT_CONFIGURED
=========================================  ============  =============================================

A refused job is attempted again. It fails if the calls of five of its items in a row are refused, without a
success between.

A failed connection and an outage raise ProviderDownError.

The provider's own words are in the error's ``detail``, without secrets and the item's text. The message of
the error holds no more of them than codes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from headrace.kinds import ItemFailedError, JobRefusedError, Message, RetryableError
from headrace.reasons import ErrorReason
from services.worker.calls.provider.error_body import ErrorBody, read_answer_words, read_error_body
from services.worker.calls.provider.fault_log import FaultLog
from services.worker.calls.provider.masking import mask
from services.worker.calls.provider.profiles import Action, Profile
from services.worker.calls.provider.profiles.rules import JOB_MESSAGES, Rule
from services.worker.calls.provider.retry_after import read_retry_after

# Reasons of calls that may succeed in another attempt.
PASSING_REASONS = frozenset(
    {
        ErrorReason.RATE_LIMITED,
        ErrorReason.PROVIDER_ERROR,
        ErrorReason.PROVIDER_TIMEOUT,
        ErrorReason.PROVIDER_UNREACHABLE,
        ErrorReason.BROKEN_ANSWER,
        *JOB_MESSAGES,
    }
)
MAX_DETAIL_CHARACTERS = 500
_URL_REASONS = {ErrorReason.PROVIDER_URL_WRONG, ErrorReason.MODEL_UNKNOWN}
_CODE = re.compile(r"[A-Za-z0-9_.\[\]]{1,64}")


class ProviderDownError(RetryableError):
    """A call failed as calls of every item do while the provider is down.

    Attributes:
        is_reachable: Whether a connection was made.
    """

    def __init__(
        self, reason: str, message: str, retry_after: float | None = None, *, is_reachable: bool = True
    ) -> None:
        super().__init__(reason, message, retry_after)
        self.is_reachable = is_reachable


E = TypeVar("E", bound=RetryableError | ItemFailedError)


class Faults:
    """Turns error responses of one provider into errors, and logs all faults once a minute and cause.

    Args:
        profile: Profile of the provider.
        log: Log of the faults.
        secrets: Secrets to mask in the provider's words, such as its key.
    """

    def __init__(self, profile: Profile, log: FaultLog, secrets: Sequence[str] = ()) -> None:
        self._profile = profile
        self._log = log
        self._secrets = secrets

    def of_response(
        self,
        status: int,
        headers: Mapping[str, str],
        body: object,
        messages: Sequence[Message] = (),
        *,
        wrong_url: JobRefusedError | None = None,
    ) -> RetryableError | ItemFailedError:
        """Returns the error for a response that names an error. See the table above.

        Args:
            status: HTTP status of the response, or the one that the error in it names.
            headers: Headers of the response. Names are case-insensitive.
            body: Body of the response, as bytes or decoded from JSON.
            messages: The chat of the call, which is masked in the provider's words.
            wrong_url: Error if the response shows that the base URL is wrong. It counts unless the profile
                gives an error status another meaning than an unknown URL or model.
        """
        words = read_error_body(body)
        rule = self._profile.judge(status, words)
        words = self._mask(words, messages)
        if wrong_url is not None and (status < 300 or rule.reason in _URL_REASONS):
            error: RetryableError | ItemFailedError = wrong_url
        else:
            error = _make_error(rule, status, words, read_retry_after(headers, body))
        error.detail = _describe(words)
        self._log.note(error.reason, status=status, kind=words.type, code=words.code, detail=error.detail)
        return error

    def of_answer(
        self,
        error: E,
        status: int,
        response: object,
        body: bytes,
        messages: Sequence[Message],
    ) -> E:
        """Logs and returns the error of an answer without a completion, with the provider's words as detail.

        Args:
            error: Error of the answer.
            status: HTTP status of the response.
            response: Decoded body. None if it is not JSON.
            body: The body itself.
            messages: The chat of the call, which is masked in the provider's words.
        """
        words = self._mask(ErrorBody(message=read_answer_words(response, body)), messages)
        error.detail = _describe(words)
        # The message names the finish_reason: each one is a cause of its own.
        self._log.note(error.reason, status=status, detail=error.detail, cause=error.message)
        return error

    def noted(self, error: E) -> E:
        """Logs and returns the error of a call that failed without an error response."""
        self._log.note(error.reason, detail=error.detail or error.message)
        return error

    def _mask(self, words: ErrorBody, messages: Sequence[Message]) -> ErrorBody:
        prompts = [message.content for message in messages]
        kind, code, message = (
            mask(text, self._secrets, prompts) for text in (words.type, words.code, words.message)
        )
        return words._replace(type=kind, code=code, message=message)


def timeout_fault() -> RetryableError:
    """Returns the error for a call without a response in time."""
    return RetryableError(ErrorReason.PROVIDER_TIMEOUT, "the provider did not respond in time")


def redirect_fault() -> RetryableError:
    """Returns the error for a call that was redirected again and again."""
    return RetryableError(
        ErrorReason.PROVIDER_ERROR, "the provider redirects the call without end; check OPENAI_BASE_URL"
    )


def unreadable_fault() -> RetryableError:
    """Returns the error for a response that breaks the rules of HTTP."""
    return RetryableError(ErrorReason.BROKEN_ANSWER, "the provider's response cannot be read")


def connection_fault(
    message: str = "the provider cannot be reached, or the connection broke", *, is_reachable: bool = True
) -> ProviderDownError:
    """Returns the error for a connection that failed or broke.

    Args:
        message: Message of the error.
        is_reachable: False if no connection was made.
    """
    return ProviderDownError(ErrorReason.PROVIDER_UNREACHABLE, message, is_reachable=is_reachable)


def as_provider_down(error: RetryableError) -> ProviderDownError:
    """Returns an error that a handler made of those of its calls, as one of a provider that is down."""
    found = ProviderDownError(error.reason, error.message, error.retry_after)
    found.detail = error.detail
    return found


def _make_error(
    rule: Rule, status: int, words: ErrorBody, retry_after: float | None
) -> RetryableError | ItemFailedError:
    if rule.reason is not None:
        return JobRefusedError(rule.reason, JOB_MESSAGES[rule.reason].format(status=status))
    if rule.action is Action.OVERLOAD:
        return RetryableError(ErrorReason.RATE_LIMITED, "the provider's rate limit is reached", retry_after)
    if rule.action is Action.ITEM_FAILS:
        return ItemFailedError(
            ErrorReason.PROVIDER_REFUSED_INPUT, f"the provider refused the request ({_name(status, words)})"
        )
    if status < 300:
        return RetryableError(
            ErrorReason.BROKEN_ANSWER, "the provider's response is an error that names no status"
        )
    error_class = ProviderDownError if rule.action is Action.OUTAGE else RetryableError
    return error_class(ErrorReason.PROVIDER_ERROR, f"the provider failed (HTTP {status})", retry_after)


def _name(status: int, words: ErrorBody) -> str:
    """Returns the status, and the code and the field of the request if they look like names."""
    parts = [f"HTTP {status}"]
    for name, value in (("code", words.code), ("param", words.param)):
        if _CODE.fullmatch(value) and value != str(status):
            parts.append(f"{name} {value}")
    return ", ".join(parts)


def _describe(words: ErrorBody) -> str | None:
    """Returns the provider's own words in one line, or None if there are none."""
    labels = [f"{name} {value}" for name, value in (("type", words.type), ("code", words.code)) if value]
    text = ": ".join(part for part in (", ".join(labels), " ".join(words.message.split())) if part)
    return text[:MAX_DETAIL_CHARACTERS] or None
