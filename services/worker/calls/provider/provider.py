"""Interface between the worker and a provider of language models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import Completion, Message, RequestOptions

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
        options: Further fields and headers. None for none.
    """

    model: str
    messages: Sequence[Message]
    temperature: float | None = None
    max_output_tokens: int | None = None
    timeout_seconds: float | None = None
    options: RequestOptions | None = None


class RequestForm(NamedTuple):
    """Form of a request by the profile of its provider, the worker's settings and the options of its job.

    Attributes:
        answer_key: Hash of everything in it that may change the answer. Empty for the form of OpenAI without
            options.
        service_tier: Service tier that the request asks for. None if it asks for none.
    """

    answer_key: str = ""
    service_tier: str | None = None


def form_of_options(request: CompletionRequest) -> RequestForm:
    """Returns the form of a request by its options alone, for a provider without a profile."""
    options = request.options
    return RequestForm() if options is None else RequestForm(options.digest, options.service_tier)


class Provider(Protocol):
    """A provider of language models."""

    @property
    def name(self) -> str:
        """Name that distinguishes providers with separate rate limits, such as ``api.openai.com``."""

    async def complete(self, request: CompletionRequest, usage: jobs_pb2.Usage) -> Completion:
        """Makes one call and never retries it.

        There is one exception. If the provider refuses the answer_schema of the request without counting any
        token, and the job did not ask for structured output, the call is made again without the schema.

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

    def form_of(self, request: CompletionRequest) -> RequestForm:
        """Returns the form that a request will have."""

    def take_remaining(self, model: str) -> int | None:
        """Returns how many more calls the provider accepts, according to its latest response.

        Returns:
            None if that response does not say, and once it has been read.
        """

    async def close(self) -> None:
        """Closes all connections. Safe to repeat."""
