"""Results of items."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from headrace.resources._jobs import Failure, Usage
from headrace.resources._plain_dicts import PlainDict


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
class Result(PlainDict):
    """The result of one item.

    Attributes:
        item_index: The item's place in the submitted list, from 0.
        state: SUCCEEDED or FAILED.
        output: JSON value of the output. None unless SUCCEEDED.
        error: Reason why it failed. None unless FAILED.
        attempt_count: Attempts in the round that led to this result. 1 if the first was enough.
        usage: Usage of all its attempts together.
        finish_time: Time at which it was recorded.
        output_text: JSON text of the output, exactly as the kind produced it. Empty unless SUCCEEDED.
        failed_attempts: Failed attempts of that round, by rising number; the last ten if there are more. The
            last one of a FAILED item is the one that failed it for good.
    """

    item_index: int
    state: ItemState
    output: Any
    error: Failure | None
    attempt_count: int
    usage: Usage
    finish_time: datetime | None
    output_text: str = field(default="", repr=False)
    failed_attempts: tuple[FailedAttempt, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields by name without output_text, as values that every JSON library takes.

        See ``Job.to_dict``.
        """
        plain = super().to_dict()
        del plain["output_text"]
        return plain
