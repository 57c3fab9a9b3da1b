"""Results of items."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic

from headrace.resources._jobs import Failure, Usage
from headrace.resources._plain_dicts import PlainDict

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    OutputT_co = TypeVar("OutputT_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    OutputT_co = TypeVar("OutputT_co", covariant=True)


class ItemState(StrEnum):
    """Outcome of an item."""

    UNSPECIFIED = "UNSPECIFIED"
    """A state that this version of the client does not know."""
    SUCCEEDED = "SUCCEEDED"
    """The item has an output."""
    FAILED = "FAILED"
    """The item has an error."""


@dataclass(frozen=True)
class FailedAttempt(PlainDict):
    """A failed attempt of an item.

    Attributes:
        attempt_number: Number of the attempt, from 1.
        error: Reason why it failed.
    """

    attempt_number: int
    error: Failure


@dataclass(frozen=True)
class FailureGroup(PlainDict):
    """Failed items of a job that share a reason, in its current round.

    Attributes:
        reason: Reason of their errors.
        item_count: Number of these items.
        first_item_index: The first of them, the example: its place in the submitted list.
        first_message: Message of the error of that item.
        first_detail: The provider's own words in that error. Empty if there are none.
    """

    reason: str
    item_count: int
    first_item_index: int
    first_message: str
    first_detail: str = ""


@dataclass(frozen=True)
class Result(PlainDict, Generic[OutputT_co]):
    """The result of one item. For type checkers, ``Result[T]`` has an output of type T.

    Attributes:
        item_index: The item's place in the submitted list, from 0.
        state: SUCCEEDED or FAILED.
        output: JSON value of the output, or an object of the wanted output_type. None unless SUCCEEDED.
        error: Reason why it failed. None unless FAILED.
        attempt_count: Attempts in the round that led to this result. 1 if the first was enough.
        usage: Usage of all its attempts together.
        finish_time: Time at which it was recorded.
        output_text: JSON text of the output, exactly as the kind produced it. Empty unless SUCCEEDED.
        failed_attempts: Failed attempts of that round, by rising number; the last ten if there are more. The
            last one of a FAILED item is the one that failed it for good.
        item_key: Key of the item. Empty if it has none.
        input: JSON value of the item. None unless inputs were asked for. Also None where the input and the
            output together exceed 3.5 MB; see ``Client.items``.
        input_text: JSON text of the item, exactly as it was submitted. Empty where ``input`` is None.
    """

    item_index: int
    state: ItemState
    output: OutputT_co
    error: Failure | None
    attempt_count: int
    usage: Usage
    finish_time: datetime | None
    output_text: str = field(default="", repr=False)
    failed_attempts: tuple[FailedAttempt, ...] = ()
    item_key: str = ""
    input: Any = None
    input_text: str = field(default="", repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields by name, as values that every JSON library takes, without the two texts.

        See ``Job.to_dict``.
        """
        plain = super().to_dict()
        del plain["output_text"], plain["input_text"]
        return plain


@dataclass(frozen=True)
class Item(PlainDict):
    """An item of a job, with its result if there is one.

    Attributes:
        item_index: Its place in the submitted list, from 0.
        item_key: Its key. Empty if it has none.
        input: JSON value of the item.
        result: Its success, or its failure in the present round. None if there is neither, or if the item and
            its result together exceed 3.5 MB; see ``Client.results``.
        input_text: JSON text of the item, exactly as it was submitted.
    """

    item_index: int
    item_key: str
    input: Any
    result: Result | None
    input_text: str = field(default="", repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields by name without input_text, as values that every JSON library takes.

        See ``Job.to_dict``.
        """
        plain = super().to_dict()
        del plain["input_text"]
        return plain
