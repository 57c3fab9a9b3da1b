"""Interface between the worker and a provider of language models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, Message

# The cost_micros of a call whose response does not say what it used.
UNKNOWN_COST_MICROS = -1


@dataclass(frozen=True)
class CompletionRequest:
    """One chat completion to make.

    Attributes:
        model: The provider's name of the model.
        messages: The chat so far.
        temperature: Sampling temperature. None to leave it out of the request.
        max_output_tokens: Maximum output tokens. None to leave it out of the request.
        timeout_seconds: Time limit of the call. None for the default of the provider's adapter.
    """

    model: str
    messages: Sequence[Message]
    temperature: float | None = None
    max_output_tokens: int | None = None
    timeout_seconds: float | None = None


class Provider(Protocol):
    """A provider of language models."""

    @property
    def name(self) -> str:
        """Name that distinguishes providers with separate rate limits, such as ``api.openai.com``."""

    async def complete(self, request: CompletionRequest, usage: jobs_pb2.Usage) -> Completion:
        """Makes one call and never retries it.

        Args:
            request: The call to make.
            usage: The call and its tokens are added to it, even if the call fails, and the model that
                answered if it is another one. Its cost_micros becomes UNKNOWN_COST_MICROS if the provider
                answered without a readable count of tokens.

        Raises:
            RetryableError: Another attempt may succeed.
            JobRefusedError: So it may, but the cause lies outside the item, such as a bad key.
            ItemFailedError: This request will always be refused.
            JobFailedError: No request of this job can succeed.
        """

    def take_remaining(self, model: str) -> int | None:
        """Returns how many more calls the provider accepts, according to its latest response.

        Returns:
            None if that response does not say, and once it has been read.
        """

    async def close(self) -> None:
        """Closes all connections. Safe to repeat."""
