"""The definition of a kind of work: a name, a schema of params, and an async function over one item.

A kind needs no broker, no database and no provider's library. It reaches the outside world through its
ItemContext alone, so a test calls ``await kind.run(params, item, context)`` with its own context.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel

from headrace.kinds.estimate import CallEstimate
from headrace.kinds.request_options import RequestOptions

if TYPE_CHECKING:
    from headrace.kinds.template import Template

JsonValue = Any  # None, bool, int, float, str, list or dict: the value of an item's JSON text


@dataclass(frozen=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Completion:
    """The provider's response to one call.

    Attributes:
        text: Text of the answer, unchanged.
        finish_reason: The provider's name for the end of the answer, such as ``stop`` or ``length``.
        input_tokens: Tokens of the chat, as counted by the provider. 0 if it did not report them.
        output_tokens: Tokens of the answer, including hidden thinking. 0 if the provider did not report them.
        cached_tokens: Part of input_tokens that came from the provider's prompt cache.
        service_tier: Service tier that served the call. Empty if the provider did not name it.
    """

    text: str
    finish_reason: str = "stop"
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    service_tier: str = ""


class ItemContext(Protocol):
    """The interface of a running item to the outside world."""

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        model: str | None = None,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        options: RequestOptions | None = None,
    ) -> Completion:
        """Makes one chat completion and counts its tokens for the item. Several may run concurrently.

        If a failed call ends an attempt, the calls that finished in it are not paid for again: in the item's
        next attempt on the same worker process, the same request gets the same answer, without a call and
        without tokens. If no call failed, a RetryableError of the handler asks for fresh answers.

        These answers live in the memory of the worker process. After a crash, or when another worker takes
        the item over, an unfinished item starts over and makes all its calls again.

        In a job with cache_responses, the answer may come from an equal call of another item, without a call
        and without tokens. The same request made twice by one item is two calls. If the handler fails on an
        answer, the answer is dropped from the cache. A RetryableError of the handler asks for fresh answers
        there too.

        Args:
            messages: The chat so far.
            model: The provider's name of the model. None: the worker's default model.
            temperature: Temperature, as the provider defines it. None: not sent.
            max_output_tokens: Maximum tokens of the answer. None: not sent.
            options: Further fields and headers of the request. None for none.

        Raises:
            RetryableError: The call failed, and another attempt may succeed.
            ItemFailedError: The provider refuses this input for good.
            JobRefusedError: The provider refused the call, and the item is not the cause (bad key, unknown
                model, no quota). It is a RetryableError.
            JobFailedError: No call of this job can be made, because the worker lacks a setting or a price.
        """


class RetryableError(Exception):
    """An attempt of an item failed, and another one may succeed.

    Attributes:
        reason: UPPER_SNAKE_CASE, such as RATE_LIMITED.
        retry_after: Seconds to wait, if the provider asked for it.
        detail: The provider's own words, without secrets and the item's text. None if there are none.
    """

    def __init__(
        self, reason: str, message: str, retry_after: float | None = None, *, detail: str | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.detail = detail


class JobRefusedError(RetryableError):
    """The provider refused a call for a cause outside the item, such as a bad key or an unknown model.

    The item is attempted again. If the calls of five items in a row are refused, without a success between,
    the whole job fails.
    """


class ItemFailedError(Exception):
    """An item failed for good. Other items of the job continue.

    Attributes:
        reason: UPPER_SNAKE_CASE, such as LABEL_UNKNOWN.
        detail: The provider's own words, without secrets and the item's text. None if there are none.
    """

    def __init__(self, reason: str, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.detail = detail


class JobFailedError(ItemFailedError):
    """No item of this job can succeed: the whole job fails at once."""


P = TypeVar("P", bound=BaseModel)


@dataclass(frozen=True)
class Kind(Generic[P]):
    """A kind of work.

    Attributes:
        name: Name, such as ``llm.classify``.
        description: Effect on one item, in a sentence or two.
        params_model: Model that validates the params of a job. Clients see its JSON schema. It should forbid
            unknown fields, so that a misspelt one is reported. A field ``model`` names the model that the
            job's calls go to (None: the worker's default), so that they wait while it cools down.
        run: Handler of one item. Takes params, the item's JSON value and the context; returns the JSON value
            of the output.
        max_attempts: Maximum attempts of an item in a round, including the first. Attempts that a rate limit
            of the provider turned away do not count.
        estimate: Function from params and an item to the calls that ``run`` will make, for estimates of a
            job. It may raise what ``run`` would raise before any call. None: the calls are unknown.
        templates: Function from params to the templates that each item fills in, by their place in the
            params, such as ``prompts.topic``. A job is refused if none of its items has one of their fields.
            None: the kind has no templates.
    """

    name: str
    description: str
    params_model: type[P]
    run: Callable[[P, JsonValue, ItemContext], Awaitable[JsonValue]] = field(repr=False)
    max_attempts: int = 5
    estimate: Callable[[P, JsonValue], Sequence[CallEstimate]] | None = field(default=None, repr=False)
    templates: "Callable[[P], Mapping[str, Template]] | None" = field(default=None, repr=False)
