"""Rules that map an error response to its consequence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from headrace.reasons import ErrorReason
from services.worker.calls.provider.error_body import ErrorBody


class Action(StrEnum):
    """Consequence of an error response.

    Attributes:
        RETRY: The item is attempted again.
        OVERLOAD: The item is attempted again, and the provider gets fewer calls.
        OUTAGE: The item is attempted again. The provider, or a proxy before it, is not there.
        ITEM_FAILS: The item fails for good.
        JOB_REFUSED: The item is attempted again. The job fails if this happens to items in a row.
    """

    RETRY = "retry"
    OVERLOAD = "overload"
    OUTAGE = "outage"
    ITEM_FAILS = "item_fails"
    JOB_REFUSED = "job_refused"


# Reasons of JOB_REFUSED, with the words of each error.
JOB_MESSAGES = {
    ErrorReason.PROVIDER_QUOTA_EXHAUSTED: "the quota at the provider is spent",
    ErrorReason.PROVIDER_KEY_REFUSED: "the provider refused the key (HTTP {status}); check OPENAI_API_KEY",
    ErrorReason.MODEL_UNKNOWN: "the provider does not know the model",
    ErrorReason.PROVIDER_URL_WRONG: (
        "the provider's URL serves no chat completions (HTTP {status}); check OPENAI_BASE_URL"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One line of a profile. A response that meets all of its conditions has the consequence.

    Attributes:
        action: The consequence.
        reason: Reason of a refused job. None for the other actions.
        statuses: HTTP statuses, as ranges with both ends. Empty for any.
        codes: Codes of the error in lower case. Empty for any.
        types: Types of the error in lower case. Empty for any.
        message: Pattern to find in the message. None for any.
        error_object: Whether the body must describe an error as a server of language models does. None for
            either.
    """

    action: Action
    reason: ErrorReason | None = None
    statuses: Sequence[tuple[int, int]] = ()
    codes: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    message: re.Pattern[str] | None = None
    error_object: bool | None = None

    def matches(self, status: int, body: ErrorBody) -> bool:
        """Returns whether a response meets all conditions."""
        return (
            (not self.statuses or any(first <= status <= last for first, last in self.statuses))
            and (not self.codes or body.code.lower() in self.codes)
            and (not self.types or body.type.lower() in self.types)
            and (self.message is None or self.message.search(body.message) is not None)
            and self.error_object in (None, body.has_object)
        )
