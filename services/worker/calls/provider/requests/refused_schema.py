"""Recognises a provider that refuses structured output."""

import re

from headrace.kinds import ItemFailedError, RetryableError
from headrace.reasons import ErrorReason

_WORDS = re.compile(
    r"response_?format|json.?schema|json mode|structured.?output|guided|grammar|additionalProperties"
    r"|constraint .{0,20}states",
    re.IGNORECASE,
)
_REASONS = {ErrorReason.PROVIDER_REFUSED_INPUT, ErrorReason.PROVIDER_ERROR}
_REMEDY = "; the provider or the model has no structured output: submit with structured_output false"


def refuses_schema(error: RetryableError | ItemFailedError) -> bool:
    """Returns whether the provider's own words refuse the JSON schema of a request."""
    is_refusal = type(error) in (RetryableError, ItemFailedError) and error.reason in _REASONS
    return is_refusal and _WORDS.search(error.detail or error.message) is not None


def with_remedy(error: RetryableError | ItemFailedError) -> ItemFailedError:
    """Returns the error of an item whose job asked for structured output."""
    return ItemFailedError(ErrorReason.PROVIDER_REFUSED_INPUT, error.message + _REMEDY, detail=error.detail)
