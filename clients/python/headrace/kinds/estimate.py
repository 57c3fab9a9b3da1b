"""Estimates of calls and tokens before a job is submitted."""

from typing import NamedTuple

_BYTES_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 4


class CallEstimate(NamedTuple):
    """A call that an item is expected to make.

    Attributes:
        model: The provider's name of the model. None: the default model.
        input_tokens: Tokens of the chat.
        output_tokens: Tokens of the answer: the number expected, or allowed.
        service_tier: Service tier that the call asks for. None: it asks for none.
    """

    model: str | None
    input_tokens: int
    output_tokens: int
    service_tier: str | None = None


def estimate_tokens(*messages: str) -> int:
    """Returns the estimated tokens of a chat: one for every four bytes, and four for each message."""
    return estimate_tokens_of(*map(byte_size, messages))


def estimate_tokens_of(*sizes: int) -> int:
    """Returns the estimated tokens of a chat by the sizes of its messages in bytes."""
    return sum(_TOKENS_PER_MESSAGE + -(-size // _BYTES_PER_TOKEN) for size in sizes)


def byte_size(text: str) -> int:
    """Returns the size of a text in UTF-8. A single surrogate counts three bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
