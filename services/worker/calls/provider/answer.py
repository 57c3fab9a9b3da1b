"""Reading the answer of a chat completion."""

from typing import Any, NamedTuple

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, ItemFailedError, RetryableError

_MAX_TOKENS = 10**12  # what is greater is no count


class Tokens(NamedTuple):
    """Tokens of one call, as Completion names them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0

    def add_to(self, usage: jobs_pb2.Usage) -> None:
        """Counts them on an item."""
        usage.input_tokens += self.input_tokens
        usage.output_tokens += self.output_tokens
        usage.cached_tokens += self.cached_tokens


def read_tokens(answer: Any) -> Tokens:
    """Returns the tokens that an answer says it used; none where it says nothing.

    Args:
        answer: The decoded body, whatever it is.
    """
    counts = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(counts, dict):
        return Tokens()
    details = counts.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Tokens(
        _count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens")), _count(cached)
    )


def read_completion(answer: Any, tokens: Tokens) -> Completion:
    """Returns the completion in an answer.

    Args:
        answer: The decoded body, whatever it is.
        tokens: What it says of its tokens.

    Raises:
        RetryableError: BROKEN_ANSWER; there is no completion in it.
        ItemFailedError: PROVIDER_REFUSED_INPUT; the model or a content filter refused.
    """
    try:
        choice = answer["choices"][0]
        message, finish_reason = choice["message"], choice.get("finish_reason") or "stop"
        text = message.get("content")
    except (AttributeError, IndexError, KeyError, TypeError):
        raise RetryableError("BROKEN_ANSWER", "the provider's answer holds no completion") from None
    if isinstance(text, str):
        return Completion(text, str(finish_reason), *tokens)
    if finish_reason == "content_filter" or message.get("refusal"):
        raise ItemFailedError(
            "PROVIDER_REFUSED_INPUT", "the model or the provider's filter refused to answer"
        )
    raise RetryableError("BROKEN_ANSWER", "the provider's answer holds no text")


def _count(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MAX_TOKENS:
        return value
    return 0
