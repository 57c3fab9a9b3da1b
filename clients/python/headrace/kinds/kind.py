"""What a kind of work is: a name, a schema of params, and an async function over one item.

A kind needs no broker, no database and no provider's library: what it wants of the outside world it asks
of its ItemContext. So a test calls ``await kind.run(params, item, context)`` with a context of its own.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel

from headrace.kinds.estimate import CallEstimate

JsonValue = Any  # None, bool, int, float, str, list or dict, as the json text of an item holds it


@dataclass(frozen=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Completion:
    """What the provider answered to one call.

    Attributes:
        text: The answer's text, unchanged.
        finish_reason: As the provider named it, such as ``stop`` or ``length``.
        input_tokens: That the provider counted for the chat; 0 where it said nothing.
        output_tokens: That it counted for the answer, hidden thinking included; 0 where it said nothing.
        cached_tokens: Those of input_tokens that came from its prompt cache.
    """

    text: str
    finish_reason: str = "stop"
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


class ItemContext(Protocol):
    """What a running item may use."""

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        model: str | None = None,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
    ) -> Completion:
        """Makes one chat completion and counts its tokens on the item.

        Several may be under way at once. Where an attempt of the item ends because a call failed, calls that
        finished in it are not paid for again: in the item's next attempt on the same worker process the same
        request gets the same answer, with no call and no tokens counted. Where no call failed, a
        RetryableError of the handler's own asks for fresh answers. What a process knew dies with it: after
        a crash, and where another worker takes the item over, an unfinished item starts from its beginning.

        In a job with cache_responses the answer may be that of an equal call of another item, with no call and
        no tokens counted here. The same request again in the same item is another call. An answer with which
        the handler fails is forgotten, and a RetryableError of its own asks for fresh answers there too.

        Args:
            messages: The chat so far.
            model: The provider's name of the model; None: the worker's default model.
            temperature: As the provider defines it; None: not sent.
            max_output_tokens: None: not sent.

        Raises:
            RetryableError: The call failed in a way that may pass.
            ItemFailedError: The provider refuses this input for good.
            JobFailedError: No call of this job can succeed (bad key, unknown model, no quota).
        """


class RetryableError(Exception):
    """An attempt of an item failed; another one may succeed.

    Attributes:
        reason: UPPER_SNAKE_CASE, such as RATE_LIMITED.
        retry_after: Seconds the provider asked to wait, or None.
    """

    def __init__(self, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class ItemFailedError(Exception):
    """An item failed for good, alone.

    Attributes:
        reason: UPPER_SNAKE_CASE, such as LABEL_UNKNOWN.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class JobFailedError(ItemFailedError):
    """No item of this job can succeed: the whole job fails, now."""


P = TypeVar("P", bound=BaseModel)


@dataclass(frozen=True)
class Kind(Generic[P]):
    """A kind of work.

    Attributes:
        name: Such as ``llm.classify``.
        description: What it does with one item, in a sentence or two.
        params_model: Params of a job are validated by it; its JSON schema is shown to clients. Unknown
            fields should be forbidden, so that a misspelt one is named. A field ``model`` names the model
            that the calls of a job go to (None: the worker's default), so that they wait while it cools down.
        run: Works on one item: params, the item's JSON value, context; returns the output's JSON value.
        max_attempts: Attempts of an item in a round, the first included. Those that the provider turned away for
            its rate limit are not counted here.
        estimate: Tells of params and an item which calls ``run`` will make, so that clients can ask what a
            job will take; it may raise what ``run`` would raise before any call. None: it is not known.
    """

    name: str
    description: str
    params_model: type[P]
    run: Callable[[P, JsonValue, ItemContext], Awaitable[JsonValue]] = field(repr=False)
    max_attempts: int = 5
    estimate: Callable[[P, JsonValue], Sequence[CallEstimate]] | None = field(default=None, repr=False)
