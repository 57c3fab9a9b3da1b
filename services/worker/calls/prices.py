"""What a call will cost, guessed before it is made: at most, and probably."""

from dataclasses import dataclass
from typing import NamedTuple

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import estimate_tokens
from services.shared.prices import Price
from services.worker.calls.provider.provider import CompletionRequest

# Of an answer without a limit, as long as no other answer to the job is known.
FIRST_OUTPUT_TOKENS = 1_000
# Above the most that calls of the job took so far, in hundredths.
MARGIN_PERCENT = 25
# A token is a byte at least; what stands around a message takes some too.
_TOKENS_AROUND_MESSAGE = 16


class CallPrice(NamedTuple):
    """The price of a call to be made, in millionths of a US dollar.

    Attributes:
        highest: What it costs at most, as far as that can be known.
        likely: What it costs by what calls before it did.
    """

    highest: int
    likely: int


@dataclass
class JobHistory:
    """What is known of calls of a job, for a guess at the next one.

    Attributes:
        output_tokens: Of the longest answer.
        input_percent: Tokens of the chat in hundredths of its bytes, rounded up: the most so far.
    """

    output_tokens: int = 0
    input_percent: int = 0

    def note(self, request: CompletionRequest, spent: jobs_pb2.Usage) -> None:
        """Takes note of a call; one that was answered without tokens says nothing."""
        if spent.input_tokens:
            percent = -(-spent.input_tokens * 100 // most_input_tokens(request))
            self.input_percent = max(self.input_percent, percent)
        self.output_tokens = max(self.output_tokens, spent.output_tokens)

    def price_of(self, request: CompletionRequest, price: Price) -> CallPrice:
        """Returns what a call costs.

        A limit of its answer holds, and so does the number of bytes of its chat. Where an answer has no limit
        the longest one so far is taken, with a margin.
        """
        most_input = most_input_tokens(request)
        limit = request.max_output_tokens
        if self.input_percent:
            input_tokens = -(-most_input * self.input_percent // 100)
            most_input = min(most_input, _with_margin(input_tokens))
        else:
            input_tokens = estimate_tokens(*(message.content for message in request.messages))
        most_output = limit
        if most_output is None:
            most_output = _with_margin(self.output_tokens) if self.output_tokens else FIRST_OUTPUT_TOKENS
        output_tokens = min(self.output_tokens or 1, most_output)
        return CallPrice(
            highest=price.cost_micros(most_input, most_output),
            likely=price.cost_micros(min(input_tokens, most_input), output_tokens),
        )


def most_input_tokens(request: CompletionRequest) -> int:
    """Returns how many tokens a chat has at most."""
    return sum(
        len(message.content.encode("utf-8", "surrogatepass")) + _TOKENS_AROUND_MESSAGE
        for message in request.messages
    )


def _with_margin(tokens: int) -> int:
    return -(-tokens * (100 + MARGIN_PERCENT) // 100)
