"""Reads the response to a chat completion."""

from typing import Any, NamedTuple

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, ItemFailedError, RetryableError
from headrace.reasons import ErrorReason

_MAX_TOKENS = 10**12  # anything greater is not a count


class Tokens(NamedTuple):
    """Tokens of one call, named as in ``Completion``."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0

    def add_to(self, usage: jobs_pb2.Usage) -> None:
        """Adds them to a usage."""
        usage.input_tokens += self.input_tokens
        usage.output_tokens += self.output_tokens
        usage.cached_tokens += self.cached_tokens


def read_tokens(response: Any) -> Tokens:
    """Returns the tokens that a response reports. All are 0 if it reports none.

    Args:
        response: Decoded body, of any form.
    """
    counts = response.get("usage") if isinstance(response, dict) else None
    if not isinstance(counts, dict):
        return Tokens()
    details = counts.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Tokens(
        _count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens")), _count(cached)
    )


def read_completion(response: Any, tokens: Tokens) -> Completion:
    """Returns the completion in a response.

    Args:
        response: Decoded body, of any form.
        tokens: Tokens that it reports.

    Raises:
        RetryableError: BROKEN_ANSWER. The response contains no completion.
        ItemFailedError: PROVIDER_REFUSED_INPUT. The model or a content filter refused.
    """
    try:
        choice = response["choices"][0]
        message, finish_reason = choice["message"], choice.get("finish_reason") or "stop"
        text = message.get("content")
    except (AttributeError, IndexError, KeyError, TypeError):
        raise RetryableError(
            ErrorReason.BROKEN_ANSWER, "the provider's response contains no completion"
        ) from None
    if isinstance(text, str):
        return Completion(text, str(finish_reason), **tokens._asdict())
    if finish_reason == "content_filter" or message.get("refusal"):
        raise ItemFailedError(
            ErrorReason.PROVIDER_REFUSED_INPUT,
            "the model or the provider's content filter refused to respond",
        )
    raise RetryableError(ErrorReason.BROKEN_ANSWER, "the provider's response contains no text")


def _count(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MAX_TOKENS:
        return value
    return 0
