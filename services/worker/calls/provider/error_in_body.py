"""Finds an error in a response with status 200, and the status that it names."""

import re
from typing import Any, NamedTuple

_STATUS = re.compile(r"[45]\d\d")
_STATUS_FIELDS = ("code", "status", "status_code", "statusCode", "http_status", "type")
_STATUSES = {
    "api_error": 500,
    "apitimeouterror": 504,
    "authentication_error": 401,
    "authenticationerror": 401,
    "badrequesterror": 400,
    "billing_error": 402,
    "billing_hard_limit_reached": 429,
    "billing_not_active": 429,
    "content_filter": 400,
    "context_length_exceeded": 400,
    "deadline_exceeded": 504,
    "exceed_context_size_error": 400,
    "insufficient_quota": 429,
    "internal": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "internalservererror": 500,
    "invalid_api_key": 401,
    "invalid_argument": 400,
    "invalid_request_error": 400,
    "model_not_found": 404,
    "notfounderror": 404,
    "overloaded_error": 529,
    "permission_denied": 403,
    "permission_error": 403,
    "permissiondeniederror": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "ratelimiterror": 429,
    "requests": 429,
    "resource_exhausted": 429,
    "server_error": 500,
    "service_unavailable": 503,
    "serviceunavailableerror": 503,
    "timeout": 504,
    "timeout_error": 504,
    "tokens": 429,
    "too_many_requests": 429,
    "unauthenticated": 401,
    "unavailable": 503,
}


class ErrorInBody(NamedTuple):
    """An error in a response with status 200.

    Attributes:
        status: HTTP status that the error names. None if it names none.
        error: The error, an object or a text.
    """

    status: int | None
    error: Any


def find_error(response: Any) -> ErrorInBody | None:
    """Returns the error in a response with status 200, or None if it holds none.

    Args:
        response: Decoded body, of any form.
    """
    error = _error_of(response)
    if error is None:
        return None
    while isinstance(error, dict) and isinstance(error.get("error"), dict) and error["error"]:
        error = error["error"]
    return ErrorInBody(_status_of(error) or _status_of(response), error)


def _error_of(response: Any) -> Any:
    if isinstance(response, list) and len(response) == 1:  # Google's endpoints wrap the envelope in a list
        response = response[0]
    if not isinstance(response, dict):
        return None
    for holder in (response, *_choices_of(response)):
        if _is_error(holder.get("error")):
            return holder["error"]
    if response.get("choices"):
        return None
    errors = response.get("errors")
    if isinstance(errors, list) and errors:
        return errors[0]
    names_failure = response.get("object") == "error" or response.get("type") == "error"
    return response if names_failure or _status_of(response) else None


def _choices_of(response: dict[str, Any]) -> list[dict[str, Any]]:
    choices = response.get("choices")
    found = choices[:1] if isinstance(choices, list) else []
    return [choice for choice in found if isinstance(choice, dict)]


def _is_error(error: Any) -> bool:
    return any(error.values()) if isinstance(error, dict) else bool(error)


def _status_of(error: Any) -> int | None:
    if not isinstance(error, dict):
        return None
    for name in _STATUS_FIELDS:
        value = error.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = str(value).lower() if isinstance(value, str | int) else ""
        if _STATUS.fullmatch(text):
            return int(text)
        if text in _STATUSES:
            return _STATUSES[text]
    return None
