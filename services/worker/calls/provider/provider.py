"""The seam between the worker and a provider of language models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, Message


@dataclass(frozen=True)
class CompletionRequest:
    """One chat completion to make.

    Attributes:
        model: The provider's name of the model.
        messages: The chat so far.
        temperature: None: not sent.
        max_output_tokens: None: not sent.
        timeout_seconds: How long to wait for the answer; None: as long as the provider's adapter has it.
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
        """Tells apart providers with rate limits of their own, such as ``api.openai.com``."""

    async def complete(self, request: CompletionRequest, usage: jobs_pb2.Usage) -> Completion:
        """Makes one call, and attempts nothing twice.

        Args:
            request: What to ask.
            usage: The call and its tokens are added to it, also where the call fails.

        Raises:
            RetryableError: Another try may succeed.
            ItemFailedError: This request will always be refused.
            JobFailedError: No request of this job can succeed.
        """

    def take_remaining(self, model: str) -> int | None:
        """Returns how many more calls the provider's last answer said it would take, each answer's once.

        None: it said nothing.
        """

    async def close(self) -> None:
        """Lets go of all connections. Safe to repeat."""
