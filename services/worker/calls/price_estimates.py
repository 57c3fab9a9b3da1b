"""Estimates the price of a call before it is made: the highest possible one and the likely one."""

from dataclasses import dataclass
from typing import NamedTuple

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import estimate_tokens
from services.shared.prices import Price
from services.worker.calls.provider.provider import CompletionRequest

# Output tokens of a call without a limit, before the job has had any other response.
FIRST_OUTPUT_TOKENS = 1_000
# Margin above the largest call of the job so far, in percent.
MARGIN_PERCENT = 25
# A token is at least one byte. The envelope of a message takes some tokens too.
_TOKENS_PER_MESSAGE = 16


class CallPrice(NamedTuple):
    """Price of a call that is about to be made, in millionths of a US dollar.

    Attributes:
        highest: Highest price, as far as it can be known.
        likely: Price judging by the calls before.
    """

    highest: int
    likely: int


@dataclass
class JobHistory:
    """Calls of a job so far, for an estimate of the next one.

    Attributes:
        output_tokens: Tokens of the longest response.
        input_percent: Highest ratio of input tokens to bytes of the chat, in percent, rounded up.
    """

    output_tokens: int = 0
    input_percent: int = 0

    def note(self, request: CompletionRequest, spent: jobs_pb2.Usage) -> None:
        """Records a call. A response that reports no tokens has no effect."""
        if spent.input_tokens:
            percent = -(-spent.input_tokens * 100 // max_input_tokens(request))
            self.input_percent = max(self.input_percent, percent)
        self.output_tokens = max(self.output_tokens, spent.output_tokens)

    def price_of(self, request: CompletionRequest, price: Price) -> CallPrice:
        """Returns the estimated price of a call.

        The output limit of the call is an upper bound, and so is the size of its chat in bytes. Without an
        output limit, the longest response so far stands in for it, with a margin.
        """
        max_input = max_input_tokens(request)
        if self.input_percent:
            input_tokens = -(-max_input * self.input_percent // 100)
            max_input = min(max_input, _with_margin(input_tokens))
        else:
            input_tokens = estimate_tokens(*(message.content for message in request.messages))
        max_output = request.max_output_tokens
        if max_output is None:
            max_output = _with_margin(self.output_tokens) if self.output_tokens else FIRST_OUTPUT_TOKENS
        output_tokens = min(self.output_tokens or 1, max_output)
        return CallPrice(
            highest=price.cost_micros(max_input, max_output),
            likely=price.cost_micros(min(input_tokens, max_input), output_tokens),
        )


def max_input_tokens(request: CompletionRequest) -> int:
    """Returns an upper bound of the tokens of a chat."""
    return sum(
        len(message.content.encode("utf-8", "surrogatepass")) + _TOKENS_PER_MESSAGE
        for message in request.messages
    )


def _with_margin(tokens: int) -> int:
    return -(-tokens * (100 + MARGIN_PERCENT) // 100)
