"""Guessing what a job will take, before it is submitted."""

from typing import NamedTuple

_BYTES_PER_TOKEN = 4
_TOKENS_AROUND_TEXT = 4


class CallEstimate(NamedTuple):
    """A call that an item will make, as far as it can be known before.

    Attributes:
        model: The provider's name of the model; None: the default model.
        input_tokens: Of the chat.
        output_tokens: Of the answer: as many as are expected, or allowed.
    """

    model: str | None
    input_tokens: int
    output_tokens: int


def estimate_tokens(*messages: str) -> int:
    """Returns about how many tokens the messages of a chat have: one for four bytes, and some around each."""
    return sum(
        _TOKENS_AROUND_TEXT + -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)
        for text in messages
    )
